//! The connection suite, but for what isahc does not let this crate do: `limits.rs` shows what happens instead.

use std::sync::Arc;

use okdownload_connection::ConnectionFactory;
use okdownload_connection_isahc::IsahcConnectionFactory;
use okdownload_testkit::suite::connection::Setup;
use okdownload_types::Result;

fn factory(setup: &Setup) -> Result<Arc<dyn ConnectionFactory>> {
    let mut factory = match &setup.proxy {
        Some(url) => IsahcConnectionFactory::new().proxy(url.as_str())?,
        None => IsahcConnectionFactory::new().no_proxy()?,
    };
    if let Some(pem) = &setup.ca_pem {
        factory = factory.root_certificates_pem(pem.as_bytes())?;
    }
    Ok(Arc::new(factory))
}

// Not here: the_url_arrives_as_given, headers_arrive_as_given, nothing_is_added, an_empty_body_ends_at_once,
// an_early_end_is_temporary, bad_chunks_are_permanent, endless_headers_end, a_cut_is_no_end_of_a_body.
okdownload_testkit::connection_tests! { factory =>
    request: a_body_is_sent head_has_no_body cookies_are_not_kept;
    response:
        a_small_body_is_right a_body_of_10_mib_is_right the_head_is_told a_status_is_a_value redirects_are_handed_up
        a_range_is_answered a_range_may_be_ignored a_coded_body_stays_as_sent a_chunked_body_is_right
        a_close_may_end_a_body http_1_0_is_understood some_statuses_have_no_body interim_responses_are_passed_over
        an_over_long_body_is_clipped;
    fault:
        a_reset_in_mid_body_is_temporary no_answer_is_temporary a_malformed_head_is_permanent
        a_refused_connection_is_temporary a_name_that_does_not_resolve_is_temporary the_connect_timeout_holds;
    socket:
        connections_are_used_again parallel_requests_have_their_own_connections dropping_a_response_frees_the_socket
        dropping_a_request_frees_the_socket dropping_a_chunk_future_loses_no_byte ipv6_works_where_it_is_there;
    tls:
        a_known_authority_is_trusted an_unknown_authority_is_refused another_host_name_is_refused
        a_port_without_tls_is_refused the_connect_timeout_covers_the_handshake;
    proxy:
        a_proxy_gets_the_whole_url a_proxy_gets_the_user_name tls_goes_through_a_tunnel
        a_proxy_that_is_not_there_is_temporary;
}
