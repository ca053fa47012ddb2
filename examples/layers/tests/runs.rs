//! The example as a user runs it, and what its server sees.

use layers::signature;
use okdownload::connection::ConnectRequest;
use okdownload_testkit::program::download_with;
use okdownload_testkit::server::Body;

const SIZE: u64 = 3 << 20;

#[tokio::test]
async fn it_signs_every_request_and_counts_what_comes() {
    let (said, server) = download_with(env!("CARGO_BIN_EXE_layers"), Body::pattern(1, SIZE)).await;
    let requests = server.requests();
    let numbers: Vec<u64> = said.split_whitespace().filter_map(|word| word.parse().ok()).collect();
    assert!(numbers.len() == 3 && numbers[0] == SIZE && numbers[2] == requests.len() as u64, "{said}");
    // What was under way on a connection that was let go was sent, and did not come.
    assert!((SIZE..=server.bytes_sent()).contains(&numbers[1]), "{said}");
    for request in &requests {
        let mut sent = ConnectRequest::get(server.url("/file.bin"));
        let range = request.range().and_then(|range| range.parse().ok());
        sent.headers.extend(range.map(|range| (http::header::RANGE, range)));
        let expected = signature(b"a secret", &sent).ok();
        assert!(expected.is_some() && request.header("x-signature") == expected.as_deref());
    }
}
