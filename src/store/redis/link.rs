//! The one connection to the server that holds the keys: finds the server anew whenever the connection is
//! given up. Commands of all callers share it, and what commits push comes in by it.

use std::time::Duration;

use redis::aio::{MultiplexedConnection, SendError};
use redis::{
    AsyncConnectionConfig, Client, ConnectionAddr, FromRedisValue, IntoConnectionInfo, Pipeline, ProtocolVersion,
    PushInfo, RedisConnectionInfo, TlsCertificates, Value,
};
use tokio::sync::{Mutex, watch};

use super::failure::Failure;
use super::keys::Keys;
use super::target::{Discovery, Target};

/// How long one node may take to answer while the right one is looked for.
const NODE_TIMEOUT: Duration = Duration::from_secs(1);

/// A connection and its number.
#[derive(Clone)]
pub struct Connection {
    inner: MultiplexedConnection,
    number: u64,
}

/// See the module.
pub struct Link {
    target: Target,
    /// A key in the slot of all keys.
    key: String,
    channel: String,
    timeout: Duration,
    pushes: watch::Sender<u64>,
    current: Mutex<(u64, Option<Connection>)>,
}

impl Link {
    /// Connects to nothing yet.
    pub fn new(target: Target, names: &Keys, timeout: Duration) -> Self {
        let (key, channel) = (names.meta(), names.pushes());
        Self { target, key, channel, timeout, pushes: watch::Sender::default(), current: Mutex::new((0, None)) }
    }

    /// Changes with everything that is pushed, and whenever something may have been missed.
    pub fn pushes(&self) -> watch::Receiver<u64> {
        self.pushes.subscribe()
    }

    /// What it connects to, without passwords.
    pub fn place(&self) -> String {
        self.target.to_string()
    }

    /// Runs commands, all in one go; answers what each answered.
    pub async fn run(&self, commands: &Pipeline) -> Result<Vec<Value>, Failure> {
        let mut connection = self.connection().await?;
        let answer = commands.query_async::<Vec<Value>>(&mut connection.inner).await.map_err(Failure::from);
        if answer.as_ref().is_err_and(Failure::is_of_connection) {
            self.give_up(connection.number).await;
        }
        answer
    }

    /// As [`Link::run`], for commands that only read: once more on another connection where this one fails.
    pub async fn read(&self, commands: &Pipeline) -> Result<Vec<Value>, Failure> {
        match self.run(commands).await {
            Err(failure) if failure.is_of_connection() => self.run(commands).await,
            answer => answer,
        }
    }

    /// As [`Link::run`], one command.
    pub async fn one<T: FromRedisValue>(&self, command: redis::Cmd) -> Result<T, Failure> {
        let mut commands = redis::pipe();
        commands.add_command(command);
        let answer = self.run(&commands).await?.pop().unwrap_or(Value::Nil);
        T::from_redis_value(answer).map_err(|error| Failure::Redis(error.into()))
    }

    /// Gives the connection up, whichever it is: it has not answered in time.
    pub async fn drop_connection(&self) {
        self.current.lock().await.1 = None;
    }

    async fn give_up(&self, number: u64) {
        let mut current = self.current.lock().await;
        if current.1.as_ref().is_some_and(|connection| connection.number == number) {
            current.1 = None;
        }
    }

    async fn connection(&self) -> Result<Connection, Failure> {
        let mut current = self.current.lock().await;
        if let Some(connection) = &current.1 {
            return Ok(connection.clone());
        }
        let (host, port) = self.find().await?;
        let inner = self.connect_for_good(&host, port).await?;
        let number = current.0 + 1;
        let connection = Connection { inner, number };
        *current = (number, Some(connection.clone()));
        tracing::info!(store = %self.target, server = %format!("{host}:{port}"), "connected");
        Ok(connection)
    }

    /// A connection that also listens.
    async fn connect_for_good(&self, host: &str, port: u16) -> Result<MultiplexedConnection, Failure> {
        let pushes = self.pushes.clone();
        let take = move |_: PushInfo| -> Result<(), SendError> {
            pushes.send_modify(|pushes| *pushes += 1);
            Ok(())
        };
        let config = self.config(self.timeout).set_push_sender(take);
        let client = self.client(host, port, false)?;
        let mut connection = client.get_multiplexed_async_connection_with_config(&config).await?;
        connection.subscribe(&self.channel).await?;
        Ok(connection)
    }

    /// The server that holds the keys.
    async fn find(&self) -> Result<(String, u16), Failure> {
        if self.target.discovery == Discovery::Direct {
            return Ok(self.target.nodes.first().cloned().unwrap_or_default());
        }
        let mut failure = Failure::away("looking for the server", &self.place(), "no node is named");
        for (host, port) in &self.target.nodes {
            let found = tokio::time::timeout(NODE_TIMEOUT, self.ask(host, *port)).await;
            let found = found.unwrap_or_else(|_| {
                Err(Failure::away("looking for the server", &format!("{host}:{port}"), "no answer in time"))
            });
            match found {
                Ok(server) => return Ok(server),
                Err(error) => failure = error,
            }
        }
        Err(failure)
    }

    async fn ask(&self, host: &str, port: u16) -> Result<(String, u16), Failure> {
        let is_sentinel = matches!(self.target.discovery, Discovery::Sentinel { .. });
        let mut node = self.connect(&self.client(host, port, is_sentinel)?, NODE_TIMEOUT).await?;
        let nothing = |what: &str| Failure::away("looking for the server", &format!("{host}:{port}"), what);
        if let Discovery::Sentinel { master, .. } = &self.target.discovery {
            let mut command = redis::cmd("SENTINEL");
            command.arg("GET-MASTER-ADDR-BY-NAME").arg(master);
            let address: Option<(String, u16)> = command.query_async(&mut node).await?;
            return address.ok_or_else(|| nothing("this Sentinel knows no master of that name"));
        }
        let slot: i64 = redis::cmd("CLUSTER").arg("KEYSLOT").arg(&self.key).query_async(&mut node).await?;
        let slots: Value = redis::cmd("CLUSTER").arg("SLOTS").query_async(&mut node).await?;
        let (found, port) = owner(&slots, slot).ok_or_else(|| nothing("no node has the slot of the keys"))?;
        Ok((if found.is_empty() { host.to_owned() } else { found }, port))
    }

    fn client(&self, host: &str, port: u16, is_sentinel: bool) -> Result<Client, Failure> {
        let host = host.to_owned();
        let address = match self.target.tls {
            true => ConnectionAddr::TcpTls { host, port, insecure: false, tls_params: None },
            false => ConnectionAddr::Tcp(host, port),
        };
        let (mut user, mut password) = (&self.target.user, &self.target.password);
        if let (true, Discovery::Sentinel { user: u, password: p, .. }) = (is_sentinel, &self.target.discovery) {
            (user, password) = (u, p);
        }
        let mut settings = RedisConnectionInfo::default().set_protocol(ProtocolVersion::RESP3);
        if !is_sentinel {
            settings = settings.set_db(self.target.database);
        }
        if let Some(user) = user {
            settings = settings.set_username(user);
        }
        if let Some(password) = password {
            settings = settings.set_password(password);
        }
        let info = address.into_connection_info()?.set_redis_settings(settings);
        match &self.target.ca {
            Some(file) if self.target.tls => {
                let unread = |error: std::io::Error| {
                    Failure::away("reading certificates", &file.display().to_string(), error.to_string())
                };
                let root_cert = Some(std::fs::read(file).map_err(unread)?);
                Ok(Client::build_with_tls(info, TlsCertificates { client_tls: None, root_cert })?)
            }
            _ => Ok(Client::open(info)?),
        }
    }

    async fn connect(&self, client: &Client, timeout: Duration) -> Result<MultiplexedConnection, Failure> {
        Ok(client.get_multiplexed_async_connection_with_config(&self.config(timeout)).await?)
    }

    fn config(&self, timeout: Duration) -> AsyncConnectionConfig {
        AsyncConnectionConfig::new().set_connection_timeout(Some(timeout)).set_response_timeout(Some(timeout))
    }
}

/// The master of a slot, from an answer of `CLUSTER SLOTS`.
fn owner(slots: &Value, slot: i64) -> Option<(String, u16)> {
    let Value::Array(ranges) = slots else { return None };
    ranges.iter().find_map(|range| {
        let Value::Array(range) = range else { return None };
        let [Value::Int(first), Value::Int(last), Value::Array(master), ..] = &range[..] else { return None };
        if !(first..=last).contains(&&slot) {
            return None;
        }
        let [host, Value::Int(port), ..] = &master[..] else { return None };
        let host: Option<String> = redis::from_redis_value_ref(host).ok();
        Some((host.unwrap_or_default(), u16::try_from(*port).ok()?))
    })
}
