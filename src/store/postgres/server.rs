//! A server, as its URL describes it: libpq's parameters, and time limits where it sets none. Of its words for encryption the
//! two that say what they do: `disable` and `verify-full`.

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

/// Where a server listens, unless its URL says otherwise.
const DEFAULT_PORT: u16 = 5432;
/// How long one address may take to answer at all.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(3);
/// What was sent and is not acknowledged for so long has not arrived.
const TCP_USER_TIMEOUT: Duration = Duration::from_secs(10);
/// While an answer is waited for nothing is sent, so the network is asked whether the server is still there: first after
/// this time, and then as often as below, until as many questions were not answered.
const KEEPALIVES_IDLE: Duration = Duration::from_secs(10);
const KEEPALIVES_INTERVAL: Duration = Duration::from_secs(5);
const KEEPALIVES_RETRIES: u32 = 3;
/// The server's own limits for each connection: it ends what takes longer, since here nothing can end it. What a guard
/// that hangs has locked is free again before another one takes over.
const SERVER_LIMITS: &str = "-c statement_timeout=10s -c lock_timeout=2s -c idle_in_transaction_session_timeout=5s";

/// Everything that is needed to connect. Its `Debug` hides the password.
#[derive(Debug, Clone)]
pub(in crate::store) struct Server {
    config: Config,
    authorities: Authorities,
    password: Option<Password>,
}

impl Server {
    /// Takes a `postgres://` URL apart.
    pub(in crate::store) fn parse(url: &str) -> Result<Self, DatabaseUrlError> {
        let Parameters { encrypted, authorities, rest } = Parameters::take_out(url)?;
        // The cause is left out: it may quote a piece of the password.
        let mut config: Config = rest.parse().map_err(|_| DatabaseUrlError::Postgres)?;
        if config.get_hosts().is_empty() {
            return Err(DatabaseUrlError::Postgres);
        }
        let encrypted = match encrypted {
            // PostgreSQL encrypts nothing on a socket.
            _ if config.get_hosts().iter().all(|host| matches!(host, Host::Unix(_))) => false,
            Some(encrypted) => encrypted,
            // What does not leave the machine needs no encryption, unless somebody has named an authority for it.
            None => authorities != Authorities::System || !is_here(&config),
        };
        config.ssl_mode(if encrypted { SslMode::Require } else { SslMode::Disable });
        set_limits(&mut config);
        // By this name another supervisor, and the server's administrator, see who is connected.
        config.application_name(format!("traffic-generator pid {}", std::process::id()));
        Ok(Self { config, authorities, password: None })
    }

    /// The same with a password for a URL that has none.
    pub(in crate::store) fn or_password(mut self, password: Password) -> Self {
        if self.config.get_password().is_none() {
            self.password = Some(password);
        }
        self
    }

    /// What the library connects with. The password is read now.
    pub(super) fn ready(&self) -> Result<Config, PasswordError> {
        let mut config = self.config.clone();
        if let Some(password) = &self.password {
            config.password(password.read()?.expose_secret());
        }
        Ok(config)
    }

    /// Whose signature counts; none without encryption.
    pub(super) fn authorities(&self) -> Option<&Authorities> {
        (self.config.get_ssl_mode() != SslMode::Disable).then_some(&self.authorities)
    }

    /// How long making a connection may take, its addresses tried one after the other.
    pub(super) fn connect_within(&self) -> Duration {
        let addresses = u32::try_from(self.config.get_hosts().len()).unwrap_or(u32::MAX);
        let each = self.config.get_connect_timeout().copied().unwrap_or(CONNECT_TIMEOUT);
        each.saturating_mul(addresses).saturating_add(CONNECT_TIMEOUT)
    }

    /// For messages: which database, without what may be secret.
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

/// A server that does not answer must not hold up the guard.
fn set_limits(config: &mut Config) {
    if config.get_connect_timeout().is_none() {
        config.connect_timeout(CONNECT_TIMEOUT);
    }
    if config.get_tcp_user_timeout().is_none() {
        config.tcp_user_timeout(TCP_USER_TIMEOUT);
    }
    // The library's own, under which a silent network is noticed after hours.
    if config.get_keepalives_idle() == Config::new().get_keepalives_idle() {
        config.keepalives_idle(KEEPALIVES_IDLE);
    }
    if config.get_keepalives_interval().is_none() {
        config.keepalives_interval(KEEPALIVES_INTERVAL);
    }
    if config.get_keepalives_retries().is_none() {
        config.keepalives_retries(KEEPALIVES_RETRIES);
    }
    // The server reads them in their order: what the URL says comes last and counts.
    let options = config.get_options().map_or_else(String::new, |own| format!(" {own}"));
    config.options(format!("{SERVER_LIMITS}{options}"));
}

/// Whether every address is this machine's.
fn is_here(config: &Config) -> bool {
    let is_loopback =
        |name: &str| name == "localhost" || name.parse().is_ok_and(|address: IpAddr| address.is_loopback());
    let is_here = |host: &Host| match host {
        Host::Unix(_) => true,
        Host::Tcp(name) => is_loopback(name),
    };
    config.get_hosts().iter().all(is_here) && config.get_hostaddrs().iter().all(IpAddr::is_loopback)
}

/// The parameters behind `?` that the library does not know as we do, and the URL without them.
struct Parameters {
    /// What `sslmode` says.
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
                // libpq's word for what is the default here.
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

/// What a word of libpq's `sslmode` asks for.
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
    fn a_server_is_named_with_its_port_unless_that_is_every_servers() {
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
