//! A certificate authority, and a server's certificate that it signed.

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair, KeyUsagePurpose};

/// All in PEM.
pub(super) struct Certificates {
    pub(super) ca: String,
    pub(super) server: String,
    pub(super) key: String,
}

/// For a server on this machine.
pub(super) fn new() -> Result<Certificates, rcgen::Error> {
    let mut authority = CertificateParams::new([])?;
    authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    authority.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    authority.distinguished_name.push(rcgen::DnType::CommonName, "okdownload-bench");
    let ca = CertifiedIssuer::self_signed(authority, KeyPair::generate()?)?;
    let key = KeyPair::generate()?;
    let names = ["localhost", "127.0.0.1"].map(str::to_owned);
    let server = CertificateParams::new(names)?.signed_by(&key, &ca)?;
    Ok(Certificates { ca: ca.pem(), server: server.pem(), key: key.serialize_pem() })
}
