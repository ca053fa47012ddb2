//! Two layers: one signs requests, one counts what comes. What the engine does for every request (redirects, headers,
//! retries, the check of the breakpoint) goes on around them.

mod counted;
mod signed;

pub use counted::{Count, Counted};
pub use signed::{SIGNATURE, Signed, signature};
