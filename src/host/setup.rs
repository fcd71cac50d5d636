//! From settings to what the daemon opens: control socket, state file, sources and the jails that they are for.

use super::conf;
use super::server::Server;
use super::source::Spec;
use crate::config::{self, Settings, SourceKind};
use crate::engine::Rules;
use crate::frame::Framing;
use core::net::SocketAddr;
use log::{info, warn};
use std::ffi::CString;
use std::format;
use std::path::PathBuf;
use std::string::String;

/// Opens the control socket: the one asked for, else the configuration's, else for a user without root one of their own. A dry
/// run beside a real daemon goes without.
///
/// # Errors
/// Another edgeban listens there.
pub(super) fn serve(
    asked: Option<PathBuf>,
    settings: &Settings,
    dry_run: bool,
) -> Result<Option<Server>, String> {
    let (path, bound) = control(asked, settings);
    match bound {
        Ok(server) => Ok(Some(server)),
        Err(e) if e.kind() == std::io::ErrorKind::AddrInUse && !dry_run => {
            Err(format!("{}: {e}", path.display()))
        }
        Err(e) => {
            let again = if dry_run { "" } else { "; tried again every 10 s" };
            warn!("no control socket, {}: {e}{again}", path.display());
            Ok(None)
        }
    }
}

/// The control socket and its path, as [`serve`] chooses it.
pub(super) fn control(asked: Option<PathBuf>, settings: &Settings) -> (PathBuf, std::io::Result<Server>) {
    let named = asked.is_some();
    let mut path = asked.unwrap_or_else(|| PathBuf::from(settings.global.control.as_str()));
    let mut bound = Server::bind(&path);
    if bound.as_ref().is_err_and(|e| e.kind() == std::io::ErrorKind::PermissionDenied)
        && let Some(own) = conf::own_control(settings).filter(|_| !named)
    {
        bound = Server::bind(&own);
        path = own;
    }
    if bound.is_ok() {
        info!("control socket {}", path.display());
    }
    (path, bound)
}

/// How many stamps the tracker keeps per source: twice the greatest `maxretry`, so that late lines count exactly, and at
/// least 10, so that a reload may raise a small `maxretry`.
pub(super) fn ring(settings: &Settings) -> u16 {
    let most = settings.jails.iter().filter(|j| j.enabled).map(|j| j.policy.maxretry).max().unwrap_or(1);
    most.saturating_mul(2).max(10)
}

/// The file that remembers how far files were read.
pub(super) fn state_file(settings: &Settings) -> PathBuf {
    PathBuf::from(settings.global.state_dir.as_str()).join("offsets")
}

/// A configured source as [`super::source`] takes it.
pub(super) fn spec(source: &config::Source) -> Spec {
    let listen = || {
        let config::Endpoint { addr, port } = source.listen;
        let ip = match addr.to_v4() {
            Some(v4) => core::net::IpAddr::from(v4),
            None => core::net::IpAddr::from(addr.octets()),
        };
        SocketAddr::new(ip, port)
    };
    let path = || PathBuf::from(source.path.as_str());
    match source.kind {
        SourceKind::Udp => Spec::Udp { listen: listen() },
        SourceKind::Tcp => Spec::Tcp {
            listen: listen(),
            connections: source.connections,
            framing: framing(source.framing, Framing::Auto),
        },
        SourceKind::Unix => Spec::Unix { path: path() },
        SourceKind::File => Spec::File { path: path() },
        SourceKind::Stdin => Spec::Stdin { framing: framing(source.framing, Framing::Lf) },
        SourceKind::Logread => {
            let program = if source.path.is_empty() { "/sbin/logread" } else { source.path.as_str() };
            Spec::Logread {
                argv: [program, "-f"].into_iter().filter_map(|w| CString::new(w).ok()).collect(),
            }
        }
    }
}

/// How a stream is cut; `auto` where the configuration leaves it open.
fn framing(setting: config::Framing, auto: Framing) -> Framing {
    match setting {
        config::Framing::Auto => auto,
        config::Framing::Newline => Framing::Newline,
        config::Framing::Nul => Framing::Nul,
        config::Framing::Octets => Framing::OctetCounted,
    }
}

/// The jails that a source is bound to, by their filters or by their own names; all where it names none.
pub(super) fn mask(source: &config::Source, settings: &Settings, rules: &Rules<'_>) -> u32 {
    if source.filters.is_empty() {
        return u32::MAX;
    }
    let bound = |jail: &&config::Jail| source.filters.contains(jail.bound_by());
    let places = settings.jails.iter().filter(bound).filter_map(|jail| rules.find(&jail.name));
    places.fold(0, |mask, place| mask | 1u32.checked_shl(place.into()).unwrap_or(0))
}
