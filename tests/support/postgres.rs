//! A real PostgreSQL for tests: one server per test process, in a temporary folder on a free port of
//! loopback, and a database of its own for every test.
//!
//! A guard process holds the server and reads commands from a pipe. When the pipe ends, because the test
//! process has ended in whatever way, it stops the server by its own process id and deletes the folder.

// Each test binary uses a part of it.
#![allow(dead_code)]

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::net::{Ipv4Addr, TcpListener};
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::mpsc::{Receiver, channel};
use std::sync::{Mutex, OnceLock};
use std::time::Duration;

use sqlx::{AssertSqlSafe, Connection, PgConnection};

/// How long a server may take to start or stop on a busy machine.
const PATIENCE: Duration = Duration::from_secs(60);

/// What the guard runs. `$1` is the folder with the programs, `$2` the folder of data, `$3` the port.
const GUARD: &str = r#"
# Nobody hears what is said once the tests have ended.
trap "" PIPE
start() { "$1/postgres" -D "$2/data" -p "$3" -k "$2" 2>&1 & server=$!; }
stop() { kill -"$1" "$server" 2>/dev/null; each CONT; wait "$server"; server=; echo "stopped" 2>/dev/null; }
# The server first, so that it starts nobody meanwhile.
each() { kill -"$1" "$server"; kill -"$1" $(cat "/proc/$server/task/$server/children"); } 2>/dev/null
start "$@"
while read -r order; do
    case $order in
        start) start "$@" ;;
        stop) stop INT ;;
        crash) stop QUIT ;;
        freeze) each STOP; echo "frozen" ;;
        thaw) each CONT; echo "thawed" ;;
    esac
done
stop QUIT
rm -rf "$2"
"#;

const CONFIG: &str = "listen_addresses = '127.0.0.1'\nfsync = on\nshared_buffers = 64MB\nmax_connections = 200\n\
                      log_min_messages = log\nautovacuum_naptime = 5s\nmax_wal_size = 4GB\n";

/// Passwords are asked of one role only, because checking them is slow in a build without optimization.
const ACCESS: &str = "local all all trust\nhost all careful 127.0.0.1/32 scram-sha-256\n\
                      host all all 127.0.0.1/32 trust\nhost replication all 127.0.0.1/32 trust\n";

/// A running server.
pub struct Server {
    port: u16,
    guard: Mutex<Guard>,
    databases: AtomicU32,
}

struct Guard {
    orders: ChildStdin,
    said: Receiver<String>,
    _process: Child,
}

/// Who the server runs as: itself, or `postgres` where the tests run as root.
struct Account {
    ids: Option<(u32, u32)>,
}

impl Account {
    fn find() -> Self {
        let is_root = fs::metadata("/proc/self").map(|own| own.uid() == 0).expect("/proc is there");
        if !is_root {
            return Self { ids: None };
        }
        let users = fs::read_to_string("/etc/passwd").expect("/etc/passwd is readable");
        let line = users.lines().find(|line| line.starts_with("postgres:"));
        let line = line.unwrap_or_else(|| panic!("there is no user postgres; install the Debian package postgresql"));
        let number = |field| line.split(':').nth(field).and_then(|text| text.parse().ok()).expect("an id");
        Self { ids: Some((number(2), number(3))) }
    }

    fn command(&self, program: impl AsRef<std::ffi::OsStr>) -> Command {
        let mut command = Command::new(program);
        command.env_clear().env("LC_ALL", "C").env("PATH", "/usr/bin:/bin").current_dir("/");
        if let Some((user, group)) = self.ids {
            command.uid(user).gid(group);
        }
        command
    }

    fn own(&self, path: &Path) {
        if let Some((user, group)) = self.ids {
            std::os::unix::fs::chown(path, Some(user), Some(group)).expect("the folder is given to postgres");
        }
    }
}

/// The folder of `initdb` and `postgres`, the newest version first.
fn programs() -> PathBuf {
    let installed = fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten();
    let version = |path: &PathBuf| path.file_name().and_then(|name| name.to_str()?.parse::<u32>().ok());
    let mut folders: Vec<_> = installed.map(|entry| entry.path()).filter(|path| version(path) >= Some(15)).collect();
    folders.sort_by_key(|path| std::cmp::Reverse(version(path)));
    let path = std::env::var_os("PATH").unwrap_or_default();
    let folders = folders.into_iter().map(|folder| folder.join("bin")).chain(std::env::split_paths(&path));
    let mut complete = folders.filter(|folder| ["initdb", "postgres"].iter().all(|name| folder.join(name).exists()));
    complete.next().expect("PostgreSQL 15 or newer is missing: install the Debian package postgresql")
}

/// The server of this test process.
pub fn server() -> &'static Server {
    static SERVER: OnceLock<Server> = OnceLock::new();
    SERVER.get_or_init(Server::start)
}

impl Server {
    /// A server that no other test uses; for tests that stop it.
    pub fn start() -> Self {
        Self::over(copy_fresh)
    }

    /// A standby that follows this server, and knows all that it had until now.
    pub fn standby(&self) -> Self {
        let port = self.port.to_string();
        Self::over(|programs, account, to| {
            let mut backup = account.command(programs.join("pg_basebackup"));
            backup.args(["-h", "127.0.0.1", "-p", &port, "-U", "postgres", "-c", "fast", "--no-sync", "-R", "-D"]);
            let output = backup.arg(to).output().expect("pg_basebackup runs");
            assert!(output.status.success(), "pg_basebackup: {}", String::from_utf8_lossy(&output.stderr));
        })
    }

    /// A server over a folder of data that `make` makes.
    fn over(make: impl FnOnce(&Path, &Account, &Path)) -> Self {
        let (programs, account) = (programs(), Account::find());
        let folder = tempfile::Builder::new().prefix("purser-postgres-").tempdir().expect("a folder").keep();
        account.own(&folder);
        fs::set_permissions(&folder, PermissionsExt::from_mode(0o700)).expect("the folder is closed to others");
        make(&programs, &account, &folder.join("data"));
        let port = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).and_then(|free| free.local_addr()).expect("a port");
        let mut process = account
            .command("/bin/sh")
            .args(["-c", GUARD, "guard"])
            .args([&programs, &folder])
            .arg(port.port().to_string())
            // A signal to the tests' group must not end the guard before its work is done.
            .process_group(0)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            // What it inherited would look as if the test had left something running.
            .stderr(Stdio::null())
            .spawn()
            .expect("the guard starts");
        let (say, said) = channel();
        let lines = BufReader::new(process.stdout.take().expect("it is piped")).lines();
        std::thread::spawn(move || lines.map_while(Result::ok).try_for_each(|line| say.send(line)));
        let orders = process.stdin.take().expect("it is piped");
        let guard = Guard { orders, said, _process: process };
        guard.wait_for("ready to accept");
        Self { port: port.port(), guard: Mutex::new(guard), databases: AtomicU32::new(0) }
    }

    /// The server's port on loopback.
    pub fn port(&self) -> u16 {
        self.port
    }

    fn order(&self, order: &str, until: &str) {
        let mut guard = self.guard.lock().expect("no order has failed");
        writeln!(guard.orders, "{order}").expect("the guard reads");
        guard.wait_for(until);
    }

    /// Stops at once, as if the power had failed.
    pub fn crash(&self) {
        self.order("crash", "stopped");
    }

    /// Starts again after a crash.
    pub fn restart(&self) {
        self.order("start", "ready to accept connections");
    }

    /// Takes encrypted connections too from now on, with this certificate and key.
    pub async fn encrypt(&self, certificate: &Path, key: &Path) {
        let account = Account::find();
        let mut conn = PgConnection::connect(&self.url("postgres")).await.expect("the server takes connections");
        let folder = sqlx::query_scalar("SHOW data_directory").fetch_one(&mut conn).await;
        let folder: String = folder.expect("the server says where its data is");
        for (name, file) in [("server.crt", certificate), ("server.key", key)] {
            let to = Path::new(&folder).join(name);
            fs::copy(file, &to).expect("the file is copied");
            fs::set_permissions(&to, PermissionsExt::from_mode(0o600)).expect("the file is closed to others");
            account.own(&to);
        }
        self.run("postgres", "ALTER SYSTEM SET ssl = on").await;
        self.run("postgres", "SELECT pg_reload_conf()").await;
        // The server reads its configuration some time later; only new connections see it.
        let look = PATIENCE / 600;
        for _ in 0..600 {
            let mut conn = PgConnection::connect(&self.url("postgres")).await.expect("the server takes connections");
            let ssl: String = sqlx::query_scalar("SHOW ssl").fetch_one(&mut conn).await.expect("it is a setting");
            if ssl == "on" {
                return;
            }
            tokio::time::sleep(look).await;
        }
        panic!("the server takes no encrypted connections");
    }

    /// Neither answers nor refuses from now on, nor does any process that serves a connection.
    pub fn freeze(&self) {
        self.order("freeze", "frozen");
    }

    /// Goes on.
    pub fn thaw(&self) {
        self.order("thaw", "thawed");
    }

    /// A URL of a database.
    pub fn url(&self, database: &str) -> String {
        format!("postgres://postgres@127.0.0.1:{}/{database}", self.port)
    }

    /// An empty database; its name.
    pub async fn empty_database(&self) -> String {
        self.create_database("template0").await
    }

    /// A database like another one, to which nobody may be connected; its name.
    pub async fn create_database(&self, template: &str) -> String {
        let name = format!("test_{}", self.databases.fetch_add(1, Ordering::Relaxed));
        let mut conn = PgConnection::connect(&self.url("postgres")).await.expect("the server takes connections");
        let sql = format!("CREATE DATABASE {name} TEMPLATE {template}");
        sqlx::query(AssertSqlSafe(sql)).execute(&mut conn).await.expect("a database is made");
        name
    }

    /// Runs statements in a database.
    pub async fn run(&self, database: &str, sql: &str) {
        let mut conn = PgConnection::connect(&self.url(database)).await.expect("the server takes connections");
        sqlx::raw_sql(AssertSqlSafe(sql)).execute(&mut conn).await.expect(sql);
    }
}

impl Guard {
    fn wait_for(&self, text: &str) {
        let mut all = Vec::new();
        loop {
            match self.said.recv_timeout(PATIENCE) {
                Ok(line) if line.contains(text) => return,
                Ok(line) => all.push(line),
                Err(error) => panic!("the server did not say {text:?} ({error}), but\n{}", all.join("\n")),
            }
        }
    }
}

/// A fresh folder of data. Making one takes a second, so that one is kept with what cargo builds.
fn copy_fresh(programs: &Path, account: &Account, to: &Path) {
    let user = account.ids.map_or_else(|| "own".to_owned(), |(user, _)| user.to_string());
    let version = programs.to_string_lossy().replace('/', "-");
    let kept = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("postgres{version}-{user}"));
    if !kept.exists() {
        make_fresh(programs, account, to);
        configure(to);
        let mine = kept.with_extension(std::process::id().to_string());
        copy(to, &mine);
        // Where another process was faster, its folder is as good.
        if fs::rename(&mine, &kept).is_err() {
            fs::remove_dir_all(&mine).expect("the copy goes");
        }
        return;
    }
    copy(&kept, to);
    configure(to);
}

fn make_fresh(programs: &Path, account: &Account, to: &Path) {
    let mut initdb = account.command(programs.join("initdb"));
    initdb.args(["--no-sync", "--auth=trust", "--encoding=UTF8", "--locale=C.UTF-8", "-U", "postgres", "-D"]).arg(to);
    let output = initdb.output().expect("initdb runs");
    assert!(output.status.success(), "initdb: {}", String::from_utf8_lossy(&output.stderr));
}

fn configure(folder: &Path) {
    for (name, text) in [("postgresql.auto.conf", CONFIG), ("pg_hba.conf", ACCESS)] {
        fs::write(folder.join(name), text).expect("the server is configured");
    }
}

fn copy(from: &Path, to: &Path) {
    let output = Command::new("cp").arg("-a").args([from, to]).output().expect("cp runs");
    assert!(output.status.success(), "cp: {}", String::from_utf8_lossy(&output.stderr));
}
