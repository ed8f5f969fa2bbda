//! What becomes of the files: one configuration for each thing that a process does over TLS.

use std::sync::Arc;

use tokio_rustls::rustls::{
    ClientConfig, RootCertStore, ServerConfig,
    crypto::{CryptoProvider, aws_lc_rs},
    pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject},
    server::WebPkiClientVerifier,
};

use super::{
    files::{BadFile, Contents, Files},
    pinned::Pinned,
};

/// One configuration for each thing that a process does over TLS.
pub(super) struct Roles {
    /// Of the files that all of this was made of.
    pub(super) digest: Vec<u8>,
    /// For listeners that services call.
    pub(super) for_services: Arc<ServerConfig>,
    /// For listeners that anybody calls.
    pub(super) for_anyone: Arc<ServerConfig>,
    /// For calling other services.
    pub(super) calls: Option<Arc<ClientConfig>>,
    /// For calling whoever shows the same certificate.
    pub(super) itself: Arc<ClientConfig>,
}

const HTTP2: &[u8] = b"h2";
const HTTP1: &[u8] = b"http/1.1";

impl Roles {
    pub(super) fn of(files: &Files, contents: &Contents) -> Result<Self, BadFile> {
        let chain: Vec<CertificateDer<'static>> = CertificateDer::pem_slice_iter(&contents.certificate)
            .collect::<Result<_, _>>()
            .map_err(|error| {
                files
                    .certificate
                    .bad(format_args!("holds no certificate: {error}"))
            })?;
        let first = chain
            .first()
            .ok_or_else(|| files.certificate.bad("holds no certificate in PEM"))?;
        // Whatever a parser says about a key stays here.
        let key = PrivateKeyDer::from_pem_slice(&contents.key)
            .map_err(|_unsaid| files.key.bad("holds no private key in PEM"))?;
        let mismatch = |error| {
            files
                .key
                .bad(format_args!("does not go with the certificate: {error}"))
        };
        let authority = match (&files.authority, &contents.authority) {
            (Some(file), Some(pem)) => Some((file, roots(pem).map_err(|what| file.bad(what))?)),
            _ => None,
        };

        let provider = Arc::new(aws_lc_rs::default_provider());
        let server = |protocols: &[&[u8]], callers: Option<&Arc<RootCertStore>>| {
            let builder = ServerConfig::builder_with_provider(Arc::clone(&provider))
                .with_safe_default_protocol_versions()?;
            let builder = match callers {
                Some(roots) => {
                    let verifier =
                        WebPkiClientVerifier::builder_with_provider(Arc::clone(roots), Arc::clone(&provider));
                    let verifier = verifier.build().map_err(|error| rustls_error(&error))?;
                    builder.with_client_cert_verifier(verifier)
                }
                None => builder.with_no_client_auth(),
            };
            let mut config = builder.with_single_cert(chain.clone(), key.clone_key())?;
            config.alpn_protocols = protocols.iter().map(|protocol| protocol.to_vec()).collect();
            Ok(Arc::new(config))
        };
        let roots = authority.as_ref().map(|(_file, roots)| roots);
        let calls = roots.map(|roots| calls(&provider, roots, &chain, &key));
        Ok(Self {
            digest: contents.digest(),
            for_services: server(&[HTTP2], roots).map_err(mismatch)?,
            for_anyone: server(&[HTTP2, HTTP1], None).map_err(mismatch)?,
            calls: calls.transpose().map_err(mismatch)?,
            itself: itself(&provider, first.clone()).map_err(mismatch)?,
        })
    }
}

type RustlsError = tokio_rustls::rustls::Error;

fn rustls_error(error: &impl ToString) -> RustlsError {
    RustlsError::General(error.to_string())
}

/// The authorities in a file, at least one.
fn roots(pem: &[u8]) -> Result<Arc<RootCertStore>, String> {
    let mut roots = RootCertStore::empty();
    for certificate in CertificateDer::pem_slice_iter(pem) {
        let certificate = certificate.map_err(|error| format!("is not PEM: {error}"))?;
        roots
            .add(certificate)
            .map_err(|error| format!("holds a certificate that cannot be trusted: {error}"))?;
    }
    if roots.is_empty() {
        return Err("holds no certificate in PEM".to_owned());
    }
    Ok(Arc::new(roots))
}

fn calls(
    provider: &Arc<CryptoProvider>,
    roots: &Arc<RootCertStore>,
    chain: &[CertificateDer<'static>],
    key: &PrivateKeyDer<'static>,
) -> Result<Arc<ClientConfig>, RustlsError> {
    let mut config = ClientConfig::builder_with_provider(Arc::clone(provider))
        .with_safe_default_protocol_versions()?
        .with_root_certificates(Arc::clone(roots))
        .with_client_auth_cert(chain.to_vec(), key.clone_key())?;
    config.alpn_protocols = vec![HTTP2.to_vec()];
    Ok(Arc::new(config))
}

fn itself(
    provider: &Arc<CryptoProvider>,
    certificate: CertificateDer<'static>,
) -> Result<Arc<ClientConfig>, RustlsError> {
    let verifier = Arc::new(Pinned::to(certificate, provider));
    let config = ClientConfig::builder_with_provider(Arc::clone(provider))
        .with_safe_default_protocol_versions()?
        .dangerous()
        .with_custom_certificate_verifier(verifier)
        .with_no_client_auth();
    Ok(Arc::new(config))
}
