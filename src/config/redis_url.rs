//! The URL of a Redis store, which may hold passwords: it is taken apart and checked when it comes in, and
//! shown without them ever after.

use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;

/// How the server that holds the keys is found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RedisKind {
    /// It is the one that is named.
    Single,
    /// Nodes of a Cluster are named.
    Cluster,
    /// Sentinels are named.
    Sentinel,
}

/// `redis://USER:PASSWORD@HOST:PORT/DATABASE`, `redis+cluster://USER:PASSWORD@HOST:PORT,HOST:PORT`,
/// `redis+sentinel://USER:PASSWORD@HOST:PORT,HOST:PORT/MASTER`; with `rediss` in front all is encrypted.
#[derive(Clone, PartialEq, Eq)]
pub struct RedisUrl {
    /// What is named.
    pub kind: RedisKind,
    /// Whether all connections are encrypted.
    pub tls: bool,
    /// Hosts and ports, at least one.
    pub nodes: Vec<(String, u16)>,
    /// The user.
    pub user: Option<String>,
    /// The password.
    pub password: Option<String>,
    /// The number of the database; a Cluster has only 0.
    pub database: u32,
    /// The name by which Sentinels know the master; empty without them.
    pub master: String,
    /// What the names of all keys begin with.
    pub prefix: Option<String>,
    /// A file of certificates to trust instead of the system's.
    pub ca: Option<PathBuf>,
    /// The user of the Sentinels.
    pub sentinel_user: Option<String>,
    /// The password of the Sentinels.
    pub sentinel_password: Option<String>,
}

/// What may follow the `?`.
const PARAMETERS: [&str; 4] = ["prefix", "ca", "sentinel_user", "sentinel_password"];

/// The most nodes that one URL names; more only make the search longer.
const NODES_MAX: usize = 32;

/// What is shown in the place of a password.
const HIDDEN: &str = "***";

const PORT: u16 = 6379;
const SENTINEL_PORT: u16 = 26379;

impl RedisUrl {
    fn scheme(&self) -> &'static str {
        match (self.kind, self.tls) {
            (RedisKind::Single, false) => "redis",
            (RedisKind::Single, true) => "rediss",
            (RedisKind::Cluster, false) => "redis+cluster",
            (RedisKind::Cluster, true) => "rediss+cluster",
            (RedisKind::Sentinel, false) => "redis+sentinel",
            (RedisKind::Sentinel, true) => "rediss+sentinel",
        }
    }

    fn of_scheme(scheme: &str) -> Option<Self> {
        let (redis, kind) = scheme.split_once('+').unwrap_or((scheme, ""));
        let kind = match kind {
            "" if !scheme.ends_with('+') => RedisKind::Single,
            "cluster" => RedisKind::Cluster,
            "sentinel" => RedisKind::Sentinel,
            _ => return None,
        };
        let tls = match redis {
            "redis" => false,
            "rediss" => true,
            _ => return None,
        };
        Some(Self {
            kind,
            tls,
            nodes: Vec::new(),
            user: None,
            password: None,
            database: 0,
            master: String::new(),
            prefix: None,
            ca: None,
            sentinel_user: None,
            sentinel_password: None,
        })
    }

    fn example(&self) -> &'static str {
        match self.kind {
            RedisKind::Single => "write redis://USER:PASSWORD@HOST:PORT/DATABASE, with %40 for an @ in the password",
            RedisKind::Cluster => "write redis+cluster://USER:PASSWORD@HOST:PORT,HOST:PORT",
            RedisKind::Sentinel => "write redis+sentinel://USER:PASSWORD@HOST:PORT,HOST:PORT/MASTER",
        }
    }

    fn read_users(&mut self, text: &str) -> Result<(), &'static str> {
        let (user, password) = text.split_once(':').map_or((text, None), |(user, password)| (user, Some(password)));
        self.user = (!user.is_empty()).then(|| decoded(user)).transpose()?;
        self.password = password.map(decoded).transpose()?;
        Ok(())
    }

    fn read_nodes(&mut self, text: &str) -> Result<(), &'static str> {
        let port = if self.kind == RedisKind::Sentinel { SENTINEL_PORT } else { PORT };
        self.nodes = text.split(',').map(|node| read_node(node, port)).collect::<Result<_, _>>()?;
        match self.nodes.len() {
            2.. if self.kind == RedisKind::Single => {
                Err("names several nodes; say whether they are redis+cluster or redis+sentinel")
            }
            n if n > NODES_MAX => Err("names more than 32 nodes"),
            _ => Ok(()),
        }
    }

    fn read_path(&mut self, path: &str) -> Result<(), &'static str> {
        match (self.kind, path) {
            (RedisKind::Sentinel, "") => Err("does not name the master that the Sentinels watch"),
            (RedisKind::Sentinel, path) => {
                let (master, database) = path.split_once('/').unwrap_or((path, "0"));
                self.master = decoded(master)?;
                self.database = database.parse().map_err(|_| "has a database that is no number")?;
                Ok(())
            }
            (_, "") => Ok(()),
            (RedisKind::Cluster, _) => Err("names a database; a Cluster has only one"),
            (RedisKind::Single, path) => {
                self.database = path.parse().map_err(|_| "has a database that is no number")?;
                Ok(())
            }
        }
    }

    fn read_parameter(&mut self, key: &str, value: &str) -> Result<(), &'static str> {
        let value = decoded(value)?;
        match key {
            "prefix" => {
                let inside = value.split_once('{').and_then(|(_, rest)| rest.split_once('}')).map(|(tag, _)| tag);
                if inside.is_none_or(str::is_empty) || value.contains(char::is_whitespace) {
                    return Err("has a prefix without a hash tag such as {purser}: all keys must be in one slot");
                }
                self.prefix = Some(value);
            }
            "ca" if !self.tls => return Err("names certificates, but does not encrypt; write rediss"),
            "ca" => self.ca = Some(value.into()),
            _ if self.kind != RedisKind::Sentinel => return Err("says how to reach Sentinels, but is not of them"),
            "sentinel_user" => self.sentinel_user = Some(value),
            _ => self.sentinel_password = Some(value),
        }
        Ok(())
    }

    fn read(&mut self, rest: &str) -> Result<(), String> {
        let (front, parameters) = rest.split_once('?').unwrap_or((rest, ""));
        let (authority, path) = front.split_once('/').unwrap_or((front, ""));
        let nodes = match authority.rsplit_once('@') {
            None => authority,
            Some((users, nodes)) => {
                self.read_users(users)?;
                nodes
            }
        };
        self.read_nodes(nodes)?;
        self.read_path(path)?;
        for parameter in parameters.split('&').filter(|parameter| !parameter.is_empty()) {
            let (key, value) = parameter.split_once('=').unwrap_or((parameter, ""));
            if !PARAMETERS.contains(&key) {
                return Err(format!("has the unknown parameter {key:?}; allowed are {}", PARAMETERS.join(", ")));
            }
            self.read_parameter(key, value)?;
        }
        Ok(())
    }
}

fn decoded(text: &str) -> Result<String, &'static str> {
    let decoded = percent_encoding::percent_decode_str(text).decode_utf8();
    decoded.map(String::from).map_err(|_| "has bytes that are no text after a %")
}

/// `HOST`, `HOST:PORT`, `[V6]`, `[V6]:PORT`.
fn read_node(node: &str, port: u16) -> Result<(String, u16), &'static str> {
    let (host, rest) = match node.strip_prefix('[') {
        Some(rest) => rest.split_once(']').ok_or("has a host with [ and no ]")?,
        None => node.split_at(node.find(':').unwrap_or(node.len())),
    };
    let port = match rest.strip_prefix(':') {
        Some(port) => port.parse().ok().filter(|port| *port > 0).ok_or("has a port that is no port")?,
        None if rest.is_empty() => port,
        None => return Err("has something after a host that is no port"),
    };
    if host.is_empty() { Err("names no host") } else { Ok((host.to_owned(), port)) }
}

/// A refusal repeats nothing but the name of a parameter, because the rest may hold a password.
impl FromStr for RedisUrl {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (scheme, rest) = text.split_once("://").ok_or("lacks the // after the scheme")?;
        let mut url = Self::of_scheme(scheme).ok_or("is no URL of Redis")?;
        match url.read(rest) {
            Ok(()) => Ok(url),
            Err(why) => Err(format!("{why}; {}", url.example())),
        }
    }
}

/// The URL without its passwords.
impl fmt::Display for RedisUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}://", self.scheme())?;
        if self.user.is_some() || self.password.is_some() {
            let password = if self.password.is_some() { format!(":{HIDDEN}") } else { String::new() };
            write!(f, "{}{password}@", self.user.as_deref().unwrap_or_default())?;
        }
        for (n, (host, port)) in self.nodes.iter().enumerate() {
            let separator = if n == 0 { "" } else { "," };
            match host.contains(':') {
                true => write!(f, "{separator}[{host}]:{port}")?,
                false => write!(f, "{separator}{host}:{port}")?,
            }
        }
        match self.kind {
            RedisKind::Sentinel => write!(f, "/{}/{}", self.master, self.database)?,
            _ if self.database > 0 => write!(f, "/{}", self.database)?,
            _ => {}
        }
        let hidden = self.sentinel_password.as_ref().map(|_| HIDDEN.to_owned());
        let ca = self.ca.as_ref().map(|file| file.display().to_string());
        let values = [self.prefix.clone(), ca, self.sentinel_user.clone(), hidden];
        let given = PARAMETERS.iter().zip(values).filter_map(|(key, value)| Some((key, value?)));
        for (n, (key, value)) in given.enumerate() {
            write!(f, "{}{key}={value}", if n == 0 { '?' } else { '&' })?;
        }
        Ok(())
    }
}

impl fmt::Debug for RedisUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "RedisUrl({self})")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_shown_without_passwords() {
        for (text, shown) in [
            ("redis://h", "redis://h:6379"),
            ("rediss://u:s3c%40ret@h:1/2?ca=/c.pem", "rediss://u:***@h:1/2?ca=/c.pem"),
            ("redis://:s3c@ret@h", "redis://:***@h:6379"),
            ("redis://[::1]:7", "redis://[::1]:7"),
            ("redis+cluster://u@a,b:7?prefix={p}", "redis+cluster://u@a:6379,b:7?prefix={p}"),
            (
                "rediss+sentinel://a,b:7/main/3?sentinel_user=x&sentinel_password=s3cret",
                "rediss+sentinel://a:26379,b:7/main/3?sentinel_user=x&sentinel_password=***",
            ),
        ] {
            let url: RedisUrl = text.parse().expect(text);
            assert_eq!((url.to_string(), format!("{url:?}")), (shown.to_owned(), format!("RedisUrl({shown})")));
        }
        let url: RedisUrl = "redis://u:s3c%40ret@h".parse().expect("it is one");
        assert_eq!((url.user.as_deref(), url.password.as_deref()), (Some("u"), Some("s3c@ret")));
    }

    #[test]
    fn a_refusal_says_why_and_shows_no_password() {
        for (text, why) in [
            ("redis:u:s3cret@h", "//"),
            ("redis://u:s3cret@", "names no host"),
            ("redis://u:s3cret@h:99999", "no port"),
            ("redis://u:s3cret@h:0", "no port"),
            ("redis://u:s3c/ret@h", "no port"),
            ("redis://u:s3cret@a,b", "several nodes"),
            ("redis://u:s3cret@h/x", "no number"),
            ("redis://u:s3cret@h?ca=/c.pem", "rediss"),
            ("redis://u:s3cret@h?prefix=purser", "hash tag"),
            ("redis://u:s3cret@h?sentinel_password=s3cret", "Sentinels"),
            ("redis+cluster://u:s3cret@h/1", "only one"),
            ("redis+sentinel://u:s3cret@h", "master"),
            ("redis+sentinel://u:s3cret@h/m?pasword=s3cret", "\"pasword\""),
            ("redis+other://u:s3cret@h", "no URL of Redis"),
            ("redis://u:%ff@h", "no text"),
        ] {
            let said = text.parse::<RedisUrl>().expect_err(text);
            assert!(said.contains(why) && !said.contains("s3c"), "{text}: {said}");
        }
    }
}
