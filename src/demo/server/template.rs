//! A data directory made once per server version, and copied for each start: a copy takes a tenth of the time.

use std::{
    fs::{self, File},
    io::Write,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context, bail};

use super::{
    APP, DATABASE, ROOT,
    flavor::{Flavor, Program, cache},
    tail,
};

/// Raise it when what a template holds changes.
const FORMAT: u32 = 1;

/// Puts a fresh data directory for `program` at `data`, which must not exist.
pub(super) fn copy(program: &Program, data: &Path) -> anyhow::Result<()> {
    let template = ready(program)?;
    let mut copy = Command::new("cp");
    copy.args(["-a", "--reflink=auto", "--sparse=always"]).arg(&template).arg(data);
    run(&mut copy, "copying the template data directory")
}

/// The template's path; made, under a lock, by the first who asks.
fn ready(program: &Program) -> anyhow::Result<PathBuf> {
    let folder = cache()?.join("templates");
    fs::create_dir_all(&folder).with_context(|| format!("making {}", folder.display()))?;
    let template = folder.join(name(program));
    if template.is_dir() {
        return Ok(template);
    }
    let lock = File::create(template.with_added_extension("lock"))?;
    lock.lock().context("waiting for another process that makes the same template")?;
    if !template.is_dir() {
        let unfinished = template.with_added_extension("new");
        let _ = fs::remove_dir_all(&unfinished);
        make(program, &unfinished)?;
        fs::rename(&unfinished, &template)?;
    }
    Ok(template)
}

fn name(program: &Program) -> String {
    let plain = |c: char| if c.is_ascii_alphanumeric() || c == '.' { c } else { '_' };
    let version: String = program.version.chars().map(plain).collect();
    format!("{}-{version}-{FORMAT}", program.flavor.to_string().to_lowercase())
}

fn make(program: &Program, data: &Path) -> anyhow::Result<()> {
    match program.flavor {
        Flavor::MySql => initialize_mysql(program, data),
        Flavor::MariaDb => install_mariadb(program, data),
    }
    .with_context(|| format!("making a data directory for {program}"))
}

fn initialize_mysql(program: &Program, data: &Path) -> anyhow::Result<()> {
    let mut sql = tempfile::NamedTempFile::new()?;
    sql.write_all(accounts().as_bytes())?;
    let mut command = Command::new(&program.path);
    command.args(program.usual_arguments(data)).args(["--initialize-insecure", "--skip-log-bin"]);
    command.arg(format!("--init-file={}", sql.path().display()));
    run(&mut command, "mysqld --initialize-insecure")?;
    // Holds the server's UUID, which copies must not share.
    fs::remove_file(data.join("auto.cnf")).or_else(|error| match error.kind() {
        std::io::ErrorKind::NotFound => Ok(()),
        _ => Err(error.into()),
    })
}

fn install_mariadb(program: &Program, data: &Path) -> anyhow::Result<()> {
    let mut install = Command::new("mariadb-install-db");
    install.args(program.usual_arguments(data)).args(["--auth-root-authentication-method=normal", "--skip-test-db"]);
    run(&mut install, "mariadb-install-db")?;
    let mut sql = tempfile::tempfile()?;
    // Bootstrap mode starts without grant tables; anonymous users would hide `app`@`%` from local clients.
    let begin = "DELETE FROM mysql.global_priv WHERE User = '' OR (User = 'root' AND Host <> 'localhost');\n\
                 DELETE FROM mysql.proxies_priv WHERE Host <> 'localhost';\nFLUSH PRIVILEGES;\n";
    write!(sql, "{begin}{}", accounts())?;
    std::io::Seek::rewind(&mut sql)?;
    let mut bootstrap = Command::new(&program.path);
    bootstrap.args(program.usual_arguments(data)).arg("--bootstrap").stdin(sql);
    run(&mut bootstrap, "mariadbd --bootstrap")
}

/// One statement a line, which is all that bootstrap mode and an init file understand.
fn accounts() -> String {
    let mut sql = format!("CREATE DATABASE {DATABASE};\n");
    for host in ["%", "localhost"] {
        for account in [ROOT, APP] {
            let verb = if (account, host) == (ROOT, "localhost") { "ALTER" } else { "CREATE" };
            sql += &format!("{verb} USER '{}'@'{host}' IDENTIFIED BY '{}';\n", account.user, account.password);
        }
        sql += &format!("GRANT ALL PRIVILEGES ON *.* TO '{}'@'{host}' WITH GRANT OPTION;\n", ROOT.user);
        sql += &format!("GRANT ALL PRIVILEGES ON {DATABASE}.* TO '{}'@'{host}';\n", APP.user);
    }
    sql
}

/// Runs a command to its end; its output is only worth reading when it failed.
fn run(command: &mut Command, what: &str) -> anyhow::Result<()> {
    let log = tempfile::NamedTempFile::new()?;
    command.stdout(log.reopen()?).stderr(log.reopen()?);
    let status = command.status().with_context(|| format!("running {what}"))?;
    if !status.success() {
        bail!("{what} failed ({status}):\n{}", tail(&fs::read_to_string(log.path()).unwrap_or_default(), 20));
    }
    Ok(())
}
