//! The store on a real MongoDB: `scripts/services run mongo -- cargo test -p sockeye-adapters --features services`.
#![allow(clippy::unwrap_used, reason = "helpers of tests")]

mod fixture;
mod legacy;
mod order;
mod plans;
mod progress;
mod secondary;
mod setup;
mod undated;

mod suite_direct {
    use crate::fixture::Mongo;
    use sockeye_adapters::store::mongo::MongoSchema;
    sockeye_adapters::store_suite!(Mongo::new(MongoSchema::Direct));
}

mod suite_direct_v1 {
    use crate::fixture::Mongo;
    use sockeye_adapters::store::mongo::MongoSchema;
    sockeye_adapters::store_suite!(Mongo::new(MongoSchema::DirectV1));
}
