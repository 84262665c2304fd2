//! Passwords and tokens.

mod bcrypt;
mod hs256;
mod jwt;
mod turns;

pub use bcrypt::Bcrypt;
pub use jwt::Jwt;
