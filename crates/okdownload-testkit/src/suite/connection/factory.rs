//! The factory itself.

use std::sync::Arc;

use okdownload_connection::ConnectionFactory;

use super::client::{SECRET, plain, supported};
use super::{Make, Setup};

/// Each time it is asked, and through pointers too, a factory says the same.
pub async fn capabilities_do_not_change(make: Make) {
    let factory = plain(make);
    let capability = factory.capability();
    assert_eq!((factory.capability(), plain(make).capability()), (capability, capability));
    let pointer: Box<dyn ConnectionFactory> = Box::new(Arc::clone(&factory));
    assert_eq!(pointer.capability(), capability);
}

/// What is shown of a factory does not tell a proxy's password.
pub async fn settings_are_not_shown(make: Make) {
    let proxy = format!("http://me:{SECRET}@127.0.0.1:9/").parse().unwrap();
    let Some(factory) = supported(make, &Setup { proxy: Some(proxy), ..Setup::default() }) else { return };
    assert!(!format!("{factory:?} {factory:#?}").contains(SECRET));
}
