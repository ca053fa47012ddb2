//! Which code encrypts.

use rustls::SupportedCipherSuite;
use rustls::crypto::{CryptoProvider, aws_lc_rs, ring};

/// Makes ring the process's provider for TLS, for every HTTP client in it: the first `https` request leaves some
/// 60 ms earlier than with aws-lc-rs, which first gathers entropy of its own.
pub(crate) fn set_up() {
    // There can't be another one: nobody but the main function is there yet.
    drop(provider().install_default());
}

fn provider() -> CryptoProvider {
    // aws-lc-rs knows more kinds of certificates and of keys, and needs no entropy to check signatures.
    let others = aws_lc_rs::default_provider();
    let mut provider = CryptoProvider {
        signature_verification_algorithms: others.signature_verification_algorithms,
        key_provider: others.key_provider,
        ..ring::default_provider()
    };
    // As browsers order them: that is less work here and at the server, and nobody breaks either.
    provider.cipher_suites.sort_by_key(|suite| !is_aes_128(*suite));
    provider
}

fn is_aes_128(suite: SupportedCipherSuite) -> bool {
    suite.suite().as_str().is_some_and(|name| name.contains("AES_128"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_lighter_ciphers_are_preferred_and_none_is_missing() {
        let names = |provider: CryptoProvider| -> Vec<_> {
            provider.cipher_suites.iter().filter_map(|suite| suite.suite().as_str()).collect()
        };
        let (ours, rings) = (names(provider()), names(ring::default_provider()));
        let lighter = ours.iter().take_while(|name| name.contains("AES_128_GCM")).count();
        assert_eq!(lighter, 3, "{ours:?}");
        assert_eq!(ours[lighter..].iter().find(|name| name.contains("AES_128")), None, "{ours:?}");
        assert!(ours.len() == rings.len() && rings.iter().all(|name| ours.contains(name)), "{ours:?}");
    }
}
