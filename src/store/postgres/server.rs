//! A server, as its URL describes it: libpq's parameters, with default time limits where the URL sets none. Of libpq's
//! words for `sslmode` only `disable` and `verify-full` are allowed: the others trust an unchecked server.

use std::borrow::Cow;
use std::net::IpAddr;
use std::path::PathBuf;
use std::time::Duration;

use percent_encoding::percent_decode_str;
use secrecy::ExposeSecret;
use tokio_postgres::Config;
use tokio_postgres::config::{Host, SslMode};

use super::tls::Authorities;
use crate::store::error::DatabaseUrlError;
use crate::store::password::{Password, PasswordError};

/// The port of a server whose URL names none.
const DEFAULT_PORT: u16 = 5432;
/// The longest time for connecting to one address.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(3);
/// The connection fails if sent data is not acknowledged within this time.
const TCP_USER_TIMEOUT: Duration = Duration::from_secs(10);
/// While the client waits for an answer it sends nothing. TCP keepalive probes then check whether the server is still
/// there: the first after this time, the next ones in the interval below. The connection fails after as many probes
/// without an answer as below.
const KEEPALIVES_IDLE: Duration = Duration::from_secs(10);
const KEEPALIVES_INTERVAL: Duration = Duration::from_secs(5);
const KEEPALIVES_RETRIES: u32 = 3;
/// The limits that the server enforces for each connection: it ends a statement or transaction that takes longer, which
/// the client cannot do. So the locks of a supervisor that hangs are released before another supervisor takes over.
const SERVER_LIMITS: &str = "-c statement_timeout=10s -c lock_timeout=2s -c idle_in_transaction_session_timeout=5s";

/// Everything that is needed to connect. Its `Debug` hides the password.
#[derive(Debug, Clone)]
pub(in crate::store) struct Server {
    config: Config,
    authorities: Authorities,
    password: Option<Password>,
}

impl Server {
    /// Parses a `postgres://` URL.
    pub(in crate::store) fn parse(url: &str) -> Result<Self, DatabaseUrlError> {
        let Parameters { encrypted, authorities, rest } = Parameters::take_out(url)?;
        // The error's cause is left out: it may quote a part of the password.
        let mut config: Config = rest.parse().map_err(|_| DatabaseUrlError::Postgres)?;
        if config.get_hosts().is_empty() {
            return Err(DatabaseUrlError::Postgres);
        }
        let encrypted = match encrypted {
            // PostgreSQL does not encrypt connections over a Unix socket.
            _ if config.get_hosts().iter().all(|host| matches!(host, Host::Unix(_))) => false,
            Some(encrypted) => encrypted,
            // A connection within this machine needs no encryption, unless the URL names an authority for it.
            None => authorities != Authorities::System || !is_here(&config),
        };
        config.ssl_mode(if encrypted { SslMode::Require } else { SslMode::Disable });
        set_limits(&mut config);
        // Another supervisor and the server's administrator see by this name which process is connected.
        config.application_name(format!("traffic-generator pid {}", std::process::id()));
        Ok(Self { config, authorities, password: None })
    }

    /// Returns the same server with a password to use if the URL has none.
    pub(in crate::store) fn or_password(mut self, password: Password) -> Self {
        if self.config.get_password().is_none() {
            self.password = Some(password);
        }
        self
    }

    /// Returns the library's configuration for a connection. Reads the password file now.
    pub(super) fn ready(&self) -> Result<Config, PasswordError> {
        let mut config = self.config.clone();
        if let Some(password) = &self.password {
            config.password(password.read()?.expose_secret());
        }
        Ok(config)
    }

    /// Returns the trusted authorities. `None` if the connection is not encrypted.
    pub(super) fn authorities(&self) -> Option<&Authorities> {
        (self.config.get_ssl_mode() != SslMode::Disable).then_some(&self.authorities)
    }

    /// Returns how long connecting may take, with every address tried one after the other.
    pub(super) fn connect_within(&self) -> Duration {
        let addresses = u32::try_from(self.config.get_hosts().len()).unwrap_or(u32::MAX);
        let each = self.config.get_connect_timeout().copied().unwrap_or(CONNECT_TIMEOUT);
        each.saturating_mul(addresses).saturating_add(CONNECT_TIMEOUT)
    }

    /// Returns the database's address for messages, without the user, the password and the parameters.
    pub(in crate::store) fn shown(&self) -> String {
        let host = match self.config.get_hosts().first() {
            Some(Host::Tcp(host)) if host.contains(':') => format!("[{host}]"),
            Some(Host::Tcp(host)) => host.clone(),
            Some(Host::Unix(folder)) => folder.display().to_string(),
            None => String::new(),
        };
        let port = self.config.get_ports().first().filter(|port| **port != DEFAULT_PORT);
        let port = port.map(|port| format!(":{port}")).unwrap_or_default();
        format!("postgres://{host}{port}/{}", self.config.get_dbname().unwrap_or_default())
    }
}

/// Sets time limits where the URL sets none: a server that does not answer must not delay the guard.
fn set_limits(config: &mut Config) {
    if config.get_connect_timeout().is_none() {
        config.connect_timeout(CONNECT_TIMEOUT);
    }
    if config.get_tcp_user_timeout().is_none() {
        config.tcp_user_timeout(TCP_USER_TIMEOUT);
    }
    // This replaces the library's default, with which a silent network is noticed only after hours.
    if config.get_keepalives_idle() == Config::new().get_keepalives_idle() {
        config.keepalives_idle(KEEPALIVES_IDLE);
    }
    if config.get_keepalives_interval().is_none() {
        config.keepalives_interval(KEEPALIVES_INTERVAL);
    }
    if config.get_keepalives_retries().is_none() {
        config.keepalives_retries(KEEPALIVES_RETRIES);
    }
    // The server reads the options in order, and the last one wins: so the URL's options come last.
    let options = config.get_options().map_or_else(String::new, |own| format!(" {own}"));
    config.options(format!("{SERVER_LIMITS}{options}"));
}

/// Whether every address belongs to this machine.
fn is_here(config: &Config) -> bool {
    let is_loopback =
        |name: &str| name == "localhost" || name.parse().is_ok_and(|address: IpAddr| address.is_loopback());
    let is_here = |host: &Host| match host {
        Host::Unix(_) => true,
        Host::Tcp(name) => is_loopback(name),
    };
    config.get_hosts().iter().all(is_here) && config.get_hostaddrs().iter().all(IpAddr::is_loopback)
}

/// The URL's parameters that the program handles itself, and the URL without them, for the library.
struct Parameters {
    /// Whether `sslmode` requires encryption. `None` if the URL does not set it.
    encrypted: Option<bool>,
    authorities: Authorities,
    rest: String,
}

impl Parameters {
    fn take_out(url: &str) -> Result<Self, DatabaseUrlError> {
        let (address, parameters) = url.split_once('?').unwrap_or((url, ""));
        let mut found = Self { encrypted: None, authorities: Authorities::System, rest: address.to_owned() };
        let mut separator = '?';
        for parameter in parameters.split('&').filter(|parameter| !parameter.is_empty()) {
            let (name, value) = parameter.split_once('=').ok_or(DatabaseUrlError::Postgres)?;
            match name {
                "sslmode" => found.encrypted = Some(is_encrypted(&decoded(value)?)?),
                // libpq's word for this machine's trusted authorities, which are the default here.
                "sslrootcert" if value == "system" => found.authorities = Authorities::System,
                "sslrootcert" if value.is_empty() => return Err(DatabaseUrlError::Postgres),
                "sslrootcert" => found.authorities = Authorities::File(PathBuf::from(decoded(value)?.into_owned())),
                _ => {
                    found.rest.push(separator);
                    found.rest.push_str(parameter);
                    separator = '&';
                }
            }
        }
        Ok(found)
    }
}

/// Whether a word of libpq's `sslmode` requires encryption.
fn is_encrypted(word: &str) -> Result<bool, DatabaseUrlError> {
    match word {
        "disable" => Ok(false),
        "verify-full" => Ok(true),
        _ => {
            let unchecked =
                ["allow", "prefer", "require", "verify-ca"].into_iter().find(|unchecked| *unchecked == word);
            Err(unchecked.map_or(DatabaseUrlError::TlsMode, DatabaseUrlError::Unchecked))
        }
    }
}

fn decoded(value: &str) -> Result<Cow<'_, str>, DatabaseUrlError> {
    percent_decode_str(value).decode_utf8().map_err(|_| DatabaseUrlError::Postgres)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_servers_address_is_shown_with_its_port_unless_it_is_the_default_port() {
        for (url, shown) in [
            ("postgres://user:secret@db.example/guard", "postgres://db.example/guard"),
            ("postgres://user:secret@db.example:5432/guard", "postgres://db.example/guard"),
            ("postgres://user:secret@db.example:6432/guard", "postgres://db.example:6432/guard"),
            ("postgres://user@[::1]:6432/guard", "postgres://[::1]:6432/guard"),
        ] {
            assert_eq!(Server::parse(url).unwrap().shown(), shown);
        }
    }
}
