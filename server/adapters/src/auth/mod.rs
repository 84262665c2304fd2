//! Passwords and tokens.

mod bcrypt;
mod jwt;
mod turns;

pub use bcrypt::Bcrypt;
pub use jwt::Jwt;
