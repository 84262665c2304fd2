//! What sign-up and log-in accept, field by field.

use std::collections::BTreeMap;

use serde::Serialize;
use sockeye_core::{NewAccount, media::Picture};
use url::Url;

use crate::gateway::fields::{Field, Fields};

/// As browsers count a text's length, because the frontend checks it too.
const PASSWORD_UTF16_MIN: usize = 6;
/// An address on the wire is no longer (RFC 5321, 4.5.3.1: 64 for the name, 255 for the domain).
const EMAIL_BYTES_MAX: usize = 320;
const NAME_CHARS_MAX: usize = 200;
const BIO_CHARS_MAX: usize = 2_000;
const URL_BYTES_MAX: usize = 2_048;

/// What a sign-up is read for.
pub const ACCOUNT: &[&str] = &["email", "password", "full_name", "profile_picture", "bio"];
/// And a log-in.
pub const CREDENTIALS: &[&str] = &["email", "password"];

/// What is wrong, by field.
#[derive(Debug, Default, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub struct Complaints(BTreeMap<&'static str, Vec<String>>);

impl Complaints {
    pub fn about(field: &'static str, complaint: String) -> Self {
        Self(BTreeMap::from([(field, vec![complaint])]))
    }
}

/// The fields of a sign-up. Others are ignored: the frontend sends `profilePicture`, which means nothing.
pub fn new_account(body: &Fields<'_>) -> Result<NewAccount, Complaints> {
    let mut fields = Checked { body, complaints: Complaints::default() };
    let email = fields.required("email", check_email);
    let password = fields.required("password", check_password);
    let name = fields.required("full_name", check_name);
    let picture = fields.optional("profile_picture", check_url);
    let bio = fields.optional("bio", |bio| at_most(bio, BIO_CHARS_MAX));
    fields.done()?;
    Ok(NewAccount { email, name, password, picture: Picture::parse(&picture), bio })
}

/// The address and password of a log-in.
pub fn credentials(body: &Fields<'_>) -> Result<(String, String), Complaints> {
    let mut fields = Checked { body, complaints: Complaints::default() };
    let email = fields.required("email", check_email);
    let password = fields.required("password", check_password);
    fields.done()?;
    Ok((email, password))
}

/// Reads fields and collects what is wrong with them; what was wrong reads as an empty text.
struct Checked<'a> {
    body: &'a Fields<'a>,
    complaints: Complaints,
}

type Check = fn(&str) -> Result<(), String>;

impl Checked<'_> {
    fn required(&mut self, key: &'static str, check: Check) -> String {
        let read = match self.body.get(key) {
            None => Err("Required".to_owned()),
            Some(field) => text(field),
        };
        self.checked(key, read, check)
    }

    fn optional(&mut self, key: &'static str, check: Check) -> String {
        match self.body.get(key) {
            None => String::new(),
            Some(field) => self.checked(key, text(field), check),
        }
    }

    fn checked(&mut self, key: &'static str, read: Result<String, String>, check: Check) -> String {
        read.and_then(|text| check(&text).map(|()| text)).unwrap_or_else(|complaint| {
            self.complaints.0.entry(key).or_default().push(complaint);
            String::new()
        })
    }

    fn done(self) -> Result<(), Complaints> {
        if self.complaints.0.is_empty() { Ok(()) } else { Err(self.complaints) }
    }
}

fn text(field: &Field<'_>) -> Result<String, String> {
    let kind = match field {
        Field::Text(text) => return Ok(text.clone().into_owned()),
        Field::Null => "null",
        Field::Other(kind) => kind,
    };
    Err(format!("Expected string, received {kind}"))
}

fn check_password(password: &str) -> Result<(), String> {
    let enough = password.encode_utf16().count() >= PASSWORD_UTF16_MIN;
    if enough { Ok(()) } else { Err("Password must be at least 6 characters".to_owned()) }
}

fn check_name(name: &str) -> Result<(), String> {
    if name.is_empty() { Err("Full name is required".to_owned()) } else { at_most(name, NAME_CHARS_MAX) }
}

fn check_email(email: &str) -> Result<(), String> {
    if is_email(email) { Ok(()) } else { Err("Invalid email address".to_owned()) }
}

/// A name of printable ASCII without spaces, an `@`, and a domain with a dot. Whether it reaches anybody is not known.
fn is_email(email: &str) -> bool {
    let Some((name, domain)) = email.rsplit_once('@') else { return false };
    let Some((host, top)) = domain.rsplit_once('.') else { return false };
    let in_name = |b: u8| b.is_ascii_alphanumeric() || b"!#$%&'*+-/=?^_`{|}~.".contains(&b);
    let is_label = |label: &str| {
        let bytes = label.as_bytes();
        bytes.first().is_some_and(u8::is_ascii_alphanumeric)
            && bytes.iter().all(|&b| b.is_ascii_alphanumeric() || b == b'-')
    };
    email.len() <= EMAIL_BYTES_MAX
        && !name.is_empty()
        && name.bytes().all(in_name)
        && !name.starts_with('.')
        && !name.ends_with('.')
        && !name.contains("..")
        && host.split('.').all(is_label)
        && is_label(top)
        && top.len() >= 2
        && !top.bytes().all(|b| b.is_ascii_digit())
}

/// Empty is none. Only what an `<img>` may safely load.
fn check_url(url: &str) -> Result<(), String> {
    let loads = || Url::parse(url).is_ok_and(|url| matches!(url.scheme(), "http" | "https"));
    if url.is_empty() || (url.len() <= URL_BYTES_MAX && loads()) {
        Ok(())
    } else {
        Err("Invalid url".to_owned())
    }
}

fn at_most(text: &str, chars_max: usize) -> Result<(), String> {
    let fits = text.chars().count() <= chars_max;
    if fits { Ok(()) } else { Err(format!("At most {chars_max} characters")) }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::{Value, json};

    use super::*;

    fn complaints(body: Value) -> Value {
        let Value::Object(object) = body else { unreachable!("tests give objects") };
        match new_account(&Fields::of(&object, ACCOUNT)) {
            Ok(_) => json!({}),
            Err(complaints) => json!(complaints),
        }
    }

    #[test]
    fn what_the_frontend_sends_is_accepted() {
        let sent = json!({ "full_name": "A", "email": "a@b.co", "password": "123456", "profilePicture": "", "bio": "" });
        assert_eq!(complaints(sent), json!({}));
    }

    #[test]
    fn every_bad_field_has_its_complaint() {
        assert_eq!(
            complaints(json!({})),
            json!({ "email": ["Required"], "password": ["Required"], "full_name": ["Required"] })
        );
        assert_eq!(
            complaints(json!({
                "email": "nobody", "password": "12345", "full_name": "", "profile_picture": "me.png", "bio": 1
            })),
            json!({
                "email": ["Invalid email address"],
                "password": ["Password must be at least 6 characters"],
                "full_name": ["Full name is required"],
                "profile_picture": ["Invalid url"],
                "bio": ["Expected string, received number"],
            })
        );
    }

    #[test]
    fn an_operator_is_no_address() {
        let body = json!({ "email": { "$gt": "" }, "password": ["123456"] });
        let Value::Object(object) = body else { unreachable!("it is an object") };
        assert_eq!(
            json!(credentials(&Fields::of(&object, CREDENTIALS)).unwrap_err()),
            json!({
                "email": ["Expected string, received object"],
                "password": ["Expected string, received array"],
            })
        );
    }

    #[test]
    fn a_picture_is_only_ever_loaded_from_the_web() {
        let url = |url: &str| {
            let body =
                json!({ "full_name": "A", "email": "a@b.co", "password": "123456", "profile_picture": url });
            let Value::Object(object) = body else { unreachable!("it is an object") };
            new_account(&Fields::of(&object, ACCOUNT)).map(|account| account.picture)
        };
        let good = "https://example.org/a.png";
        assert_eq!(url(good), Ok(Some(Picture::External(good.into()))));
        assert_eq!(url(""), Ok(None));
        let stored = "sockeye-media:00000000000000000000000000000000.png";
        for bad in ["javascript:alert(1)", "data:image/png;base64,aa", stored, "//example.org", "x"] {
            assert!(url(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn addresses() {
        for good in ["a@b.co", "First.Last+tag@sub.example.org", "o'neil_1-x@a-b.museum", "A@1.xn--p1ai"] {
            assert!(is_email(good), "{good}");
        }
        let long = format!("{}@b.co", "a".repeat(320));
        for bad in [
            "",
            "a",
            "@",
            "a@",
            "@b.co",
            "a@b",
            "a@b.c",
            "a@.co",
            "a@b..co",
            "a@b.co.",
            "a b@c.de",
            "a@b@c.de",
            ".a@b.co",
            "a.@b.co",
            "a..b@c.de",
            "a@-b.co",
            "a@127.0.0.1",
            "a@b.co\n",
            "ä@b.co",
            &long,
        ] {
            assert!(!is_email(bad), "{bad}");
        }
    }

    proptest! {
        #[test]
        fn any_text_is_an_address_or_not(text in "\\PC{0,40}") {
            let _ = is_email(&text);
        }
    }
}
