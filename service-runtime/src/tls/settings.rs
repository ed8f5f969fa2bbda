//! The variables that name the files.

use std::path::PathBuf;

use super::{
    Tls,
    files::{File, Files},
};
use crate::settings::{Reader, Setting, from_str};

/// `TLS_CERT`, which every process has.
pub const TLS_CERT: Setting = Setting::optional(
    "TLS_CERT",
    "File with the certificate of this process and its chain, in PEM; with it every listener speaks TLS",
);

/// `TLS_KEY`, which every process has.
pub const TLS_KEY: Setting = Setting::optional("TLS_KEY", "File with the private key of TLS_CERT, in PEM");

/// `TLS_CA`, which every process has.
pub const TLS_CA: Setting = Setting::optional(
    "TLS_CA",
    "File with the authorities of the services' certificates, in PEM; with it services show each other theirs (mutual TLS)",
);

impl Tls {
    /// Reads `TLS_CERT`, `TLS_KEY` and `TLS_CA`, and the files that they name. `None` means that a fault was noted.
    pub fn of_services(reader: &mut Reader<'_>) -> Option<Self> {
        let authority = reader.read_optional("TLS_CA", from_str::<PathBuf>)?;
        let authority = authority.map(|path| File { name: "TLS_CA", path });
        Self::of(reader, ["TLS_CERT", "TLS_KEY"], authority)
    }

    /// Reads what a listener for anybody shows, from variables of its own. `None` means that a fault was noted.
    pub fn of_listener(
        reader: &mut Reader<'_>,
        certificate: &'static str,
        key: &'static str,
    ) -> Option<Self> {
        Self::of(reader, [certificate, key], None)
    }

    fn of(reader: &mut Reader<'_>, names: [&'static str; 2], authority: Option<File>) -> Option<Self> {
        let [certificate, key] = names.map(|name| {
            let path = reader.read_optional(name, from_str::<PathBuf>)?;
            Some(path.map(|path| File { name, path }))
        });
        let (certificate, key) = match (certificate?, key?) {
            (Some(certificate), Some(key)) => (certificate, key),
            (None, None) if authority.is_none() => return Some(Self::default()),
            (None, None) => {
                reader.fault("TLS_CA", "needs TLS_CERT and TLS_KEY beside it");
                return None;
            }
            _ => {
                let [certificate, key] = names;
                reader.fault(
                    certificate,
                    format_args!("and {key} go together: set both or neither"),
                );
                return None;
            }
        };
        let files = Files {
            certificate,
            key,
            authority,
        };
        Self::from_files(files).map_err(|bad| reader.note(bad)).ok()
    }
}
