//! Who is online, as it is told to everybody: encoded at most twice, however many devices are told.

use std::sync::{Arc, OnceLock};

use serde_json::value::{RawValue, to_raw_value};

use super::{contract::OutEvent, wire::SharedEvent};

/// The namespace of the chat.
const NAMESPACE: &str = "/";

/// An event for all devices.
#[derive(Debug)]
pub struct Announcement {
    name: &'static str,
    args: Vec<Arc<RawValue>>,
    /// The place in the log at which it was made, as JSON.
    seen: Arc<RawValue>,
    plain: OnceLock<Arc<SharedEvent>>,
    placed: OnceLock<Arc<SharedEvent>>,
}

impl Announcement {
    /// `seen`: the place in the log.
    ///
    /// # Errors
    /// When an argument cannot be written as JSON.
    pub fn new(event: &OutEvent, seen: &str) -> Result<Self, serde_json::Error> {
        let args = event.args.iter().map(|arg| to_raw_value(arg).map(Arc::from));
        Ok(Self {
            name: event.name,
            args: args.collect::<Result<_, _>>()?,
            seen: to_raw_value(seen)?.into(),
            plain: OnceLock::new(),
            placed: OnceLock::new(),
        })
    }

    pub fn name(&self) -> &'static str {
        self.name
    }

    /// The event; `placed`: with its place in the log as last argument, for clients that recover.
    pub fn event(&self, placed: bool) -> &Arc<SharedEvent> {
        let (event, place) = if placed { (&self.placed, Some(&self.seen)) } else { (&self.plain, None) };
        event.get_or_init(|| {
            let args = self.args.iter().chain(place).cloned().collect();
            Arc::new(SharedEvent::new(NAMESPACE, self.name, args))
        })
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn the_place_comes_last_and_only_for_those_who_recover() {
        let event = OutEvent { name: "online", args: vec![json!(["a", "b"]), json!(1)] };
        let announcement = Announcement::new(&event, "0:7").expect("JSON");
        assert_eq!(announcement.event(false).text(), r#"42["online",["a","b"],1]"#);
        assert_eq!(announcement.event(true).text(), r#"42["online",["a","b"],1,"0:7"]"#);
        assert!(Arc::ptr_eq(announcement.event(true), announcement.event(true)), "encoded once");
    }
}
