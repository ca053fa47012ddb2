//! What every [`ConnectionFactory`] must do: the behaviours behind [`connection_suite!`](crate::connection_suite).
//!
//! A backend's `tests/conformance.rs` is no more than this:
//!
//! ```ignore
//! use std::sync::Arc;
//! use okdownload_connection::ConnectionFactory;
//! use okdownload_testkit::suite::connection::Setup;
//! use okdownload_types::Result;
//!
//! fn factory(setup: &Setup) -> Result<Arc<dyn ConnectionFactory>> {
//!     // What it can't do, it says: Err(Error::new(ErrorKind::Unsupported, "no TLS")).
//!     let mut factory = MyFactory::new().http2(setup.http2)?;
//!     if let Some(pem) = &setup.ca_pem {
//!         factory = factory.trust(pem)?;
//!     }
//!     if let Some((certificate, key)) = &setup.client_certificate {
//!         factory = factory.client_certificate(certificate, key)?;
//!     }
//!     if let Some(url) = &setup.proxy {
//!         factory = factory.proxy(url)?;
//!     } else if !setup.environment {
//!         factory = factory.no_proxy()?;
//!     }
//!     Ok(Arc::new(factory))
//! }
//!
//! okdownload_testkit::connection_suite!(factory);
//! ```
//!
//! Each behaviour is a plain async function, so that one can be run alone. Where the machine or the backend can't do
//! something, the other side is checked: no IPv6 means that connecting by it fails, no TLS means `Unsupported`, and a
//! capability that is missing means what [`ConnectionCapability`](okdownload_connection::ConnectionCapability) says.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a panic here is a test that failed"
)]

mod client;
pub mod factory;
pub mod fault;
pub mod http2;
mod peer;
pub mod proxy;
pub mod request;
pub mod response;
pub mod socket;
pub mod tls;

use std::path::PathBuf;
use std::sync::Arc;

use okdownload_connection::ConnectionFactory;
use okdownload_types::Result;
use url::Url;

/// What a behaviour wants of the factory it is given. What is not set is off: no proxy, whatever the environment says.
#[derive(Debug, Clone, Default)]
#[non_exhaustive]
pub struct Setup {
    /// A certificate authority to trust beside the usual ones, in PEM.
    pub ca_pem: Option<String>,
    /// The files with the certificate to show to servers that ask for one, and with its private key, in PEM.
    pub client_certificate: Option<(PathBuf, PathBuf)>,
    /// A proxy for all requests, perhaps with userinfo.
    pub proxy: Option<Url>,
    /// Proxies are those of the environment; `proxy` is not set then.
    pub environment: bool,
    /// HTTP/2 is spoken where it is offered.
    pub http2: bool,
}

/// Makes a factory. What a backend can't do is an error of kind
/// [`Unsupported`](okdownload_types::ErrorKind::Unsupported).
pub type Make = fn(&Setup) -> Result<Arc<dyn ConnectionFactory>>;

/// Makes one test of each behaviour of the connection suite. `$make` is a [`Make`].
#[macro_export]
macro_rules! connection_suite {
    ($make:expr) => {
        $crate::connection_tests! { $make =>
            factory:
                capabilities_do_not_change
                settings_are_not_shown;
            request:
                the_url_arrives_as_given
                headers_arrive_as_given
                any_header_value_arrives_or_is_refused
                nothing_is_added
                other_schemes_are_misuse
                a_body_is_sent
                head_has_no_body
                head_may_differ_from_get
                cookies_are_not_kept;
            response:
                a_small_body_is_right
                a_body_of_10_mib_is_right
                the_head_is_told
                a_long_head_is_understood
                the_head_comes_first
                a_status_is_a_value
                redirects_are_handed_up
                a_range_is_answered
                a_range_may_be_ignored
                if_range_decides
                a_coded_body_stays_as_sent
                a_chunked_body_is_right
                a_close_may_end_a_body
                http_1_0_is_understood
                an_empty_body_ends_at_once
                some_statuses_have_no_body
                interim_responses_are_passed_over
                an_over_long_body_is_clipped
                pieces_are_large_on_a_fast_link;
            fault:
                an_early_end_is_temporary
                a_reset_in_mid_body_is_temporary
                no_answer_is_temporary
                bad_chunks_are_permanent
                a_chunk_of_another_size_is_permanent
                a_malformed_head_is_permanent
                endless_headers_end
                too_many_headers_are_permanent
                a_refused_connection_is_temporary
                an_unreachable_address_is_temporary
                a_name_that_does_not_resolve_is_temporary
                the_connect_timeout_holds
                the_connect_timeout_may_be_endless;
            socket:
                connections_are_used_again
                parallel_requests_have_their_own_connections
                dropping_a_response_frees_the_socket
                dropping_a_request_frees_the_socket
                dropping_a_chunk_future_loses_no_byte
                ipv6_works_where_it_is_there;
            tls:
                a_known_authority_is_trusted
                an_unknown_authority_is_refused
                another_host_name_is_refused
                a_client_certificate_is_shown
                a_server_that_wants_a_certificate_is_told_apart
                client_certificates_must_be_some
                a_port_without_tls_is_refused
                a_broken_handshake_is_temporary
                a_cut_is_no_end_of_a_body
                the_connect_timeout_covers_the_handshake;
            http2:
                http_1_1_is_spoken_by_default
                http_2_is_spoken_where_it_is_chosen
                http_2_is_no_must;
            proxy:
                a_proxy_gets_the_whole_url
                a_proxy_gets_the_user_name
                tls_goes_through_a_tunnel
                a_refused_tunnel_tells_why
                a_proxy_that_is_not_there_is_temporary
                the_environment_names_proxies;
        }
    };
}

/// The part of [`connection_suite!`](crate::connection_suite) that makes the tests.
#[doc(hidden)]
#[macro_export]
macro_rules! connection_tests {
    ($make:expr => $($group:ident: $($behaviour:ident)+;)+) => {
        $($(
            #[test]
            fn $behaviour() {
                $crate::suite::run($crate::suite::connection::$group::$behaviour($make));
            }
        )+)+
    };
}

#[cfg(test)]
mod tests {
    /// A behaviour that is not in the macro's list would never run.
    #[test]
    fn every_behaviour_is_listed() {
        let listed: Vec<_> =
            include_str!("connection.rs").lines().map(|line| line.trim().trim_end_matches(';')).collect();
        let groups = [
            include_str!("connection/factory.rs"),
            include_str!("connection/fault.rs"),
            include_str!("connection/http2.rs"),
            include_str!("connection/proxy.rs"),
            include_str!("connection/request.rs"),
            include_str!("connection/response.rs"),
            include_str!("connection/socket.rs"),
            include_str!("connection/tls.rs"),
        ];
        let names = groups.iter().flat_map(|group| group.split("\npub async fn ").skip(1));
        let missing = names.filter_map(|rest| rest.split_once('(')).find(|(name, _)| !listed.contains(name));
        assert_eq!(missing.map(|(name, _)| name), None);
    }
}
