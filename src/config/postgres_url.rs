//! The URL of a PostgreSQL store, which may hold a password: it is checked when it comes in, and shown
//! without the password ever after.

use std::fmt;
use std::str::FromStr;

use sqlx::postgres::PgConnectOptions;

/// `postgres://USER:PASSWORD@HOST:PORT/DATABASE?sslmode=...`. What it leaves out comes from `PGHOST`,
/// `PGUSER`, `PGPASSWORD` and so on, and the password also from `~/.pgpass`.
#[derive(Clone, PartialEq, Eq)]
pub struct PostgresUrl(String);

/// What may follow the `?`. Others are refused here, because the driver would only note them in the log.
const PARAMETERS: [&str; 9] =
    ["sslmode", "sslrootcert", "sslcert", "sslkey", "host", "user", "password", "application_name", "options"];

/// What is shown in the place of a password.
const HIDDEN: &str = "***";

impl PostgresUrl {
    /// The URL as it was given, to connect with; not to be shown.
    pub fn secret(&self) -> &str {
        &self.0
    }

    /// Up to the `?`, and the parameters.
    fn parts(&self) -> (&str, impl Iterator<Item = (&str, Option<&str>)>) {
        let (front, parameters) = self.0.split_once('?').unwrap_or((&self.0, ""));
        let parameters = parameters.split('&').filter(|parameter| !parameter.is_empty());
        let pairs = parameters.map(|text| text.split_once('=').map_or((text, None), |(key, value)| (key, Some(value))));
        (front, pairs)
    }
}

/// A refusal repeats nothing but the name of a parameter, because the rest may hold a password.
impl FromStr for PostgresUrl {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let example = "write postgres://USER:PASSWORD@HOST:PORT/DATABASE, with %40 for an @ in the password";
        let url = Self(text.to_owned());
        let (front, mut parameters) = url.parts();
        if !["postgres://", "postgresql://"].iter().any(|scheme| front.starts_with(scheme)) {
            return Err(format!("is no URL of PostgreSQL; {example}"));
        }
        if let Some((key, _)) = parameters.find(|(key, _)| !PARAMETERS.contains(key)) {
            return Err(format!("has the unknown parameter {key:?}; allowed are {}", PARAMETERS.join(", ")));
        }
        drop(parameters);
        match PgConnectOptions::from_str(text) {
            Ok(_) => Ok(url),
            Err(error) => Err(format!("cannot be read ({error}); {example}")),
        }
    }
}

/// The URL without its password.
impl fmt::Display for PostgresUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (front, parameters) = self.parts();
        let (scheme, rest) = front.split_once("://").unwrap_or(("postgres", front));
        let (authority, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
        write!(f, "{scheme}://")?;
        match authority.rsplit_once('@') {
            None => write!(f, "{authority}")?,
            Some((user, host)) => match user.split_once(':') {
                None => write!(f, "{user}@{host}")?,
                Some((user, _)) => write!(f, "{user}:{HIDDEN}@{host}")?,
            },
        }
        write!(f, "{path}")?;
        for (n, (key, value)) in parameters.enumerate() {
            let value = if key == "password" { Some(HIDDEN) } else { value };
            write!(f, "{}{key}", if n == 0 { '?' } else { '&' })?;
            value.map_or(Ok(()), |value| write!(f, "={value}"))?;
        }
        Ok(())
    }
}

impl fmt::Debug for PostgresUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PostgresUrl({self})")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_shown_without_the_password() {
        for (text, shown) in [
            ("postgres://h", "postgres://h"),
            ("postgresql://u@h:5433/d", "postgresql://u@h:5433/d"),
            ("postgres://u:s3cret@h/d?sslmode=require", "postgres://u:***@h/d?sslmode=require"),
            ("postgres://u:s3c%40ret@h/d", "postgres://u:***@h/d"),
            ("postgres://u:s3c@ret@h/d", "postgres://u:***@h/d"),
            ("postgres:///d?host=/run/pg&password=s3cret&user=u", "postgres:///d?host=/run/pg&password=***&user=u"),
        ] {
            let url: PostgresUrl = text.parse().expect(text);
            assert_eq!(url.to_string(), shown);
            assert_eq!(format!("{url:?}"), format!("PostgresUrl({shown})"));
            assert_eq!(url.secret(), text);
        }
    }

    #[test]
    fn a_refusal_shows_no_password() {
        for text in [
            "postgres://u:s3c/ret@h/d",
            "postgres://u:s3cret@h:99999/d",
            "postgres://u:s3cret@h/d?sslmode=perhaps",
            "postgres://u:s3cret@h/d?pasword=s3cret",
            "mysql://u:s3cret@h/d",
            "postgres://u:s3cret@[h/d",
        ] {
            let why = text.parse::<PostgresUrl>().expect_err(text);
            assert!(!why.contains("s3c"), "{why}");
        }
    }
}
