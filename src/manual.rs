//! What packages ship beside the program, made from its command line: pages of the manual, and completions for shells.

use std::io;

use clap::CommandFactory;
use clap_complete::Shell;
use clap_mangen::Man;

use crate::cli::Cli;

/// The name of the program.
const NAME: &str = "greenroom";

/// The program's version alone: by whom it was compiled is nothing for a manual.
const VERSION: &str = env!("CARGO_PKG_VERSION");

/// A page of the manual, section 1, as roff: of the program, or of one of its commands. `None`: there is no such command.
///
/// # Errors
/// Never, as it is written to memory; the libraries below say that it could.
pub fn page(command: Option<&str>) -> io::Result<Option<Vec<u8>>> {
    // Its page would say nothing.
    let mut all = Cli::command().disable_help_subcommand(true).long_version(VERSION);
    all.build();
    let found = match command {
        None => Some(all),
        Some(name) => all.find_subcommand(name).cloned().map(|found| found.version(VERSION)),
    };
    let Some(found) = found else { return Ok(None) };
    let mut page = Vec::new();
    Man::new(found).source(format!("{NAME} {VERSION}")).render(&mut page)?;
    Ok(Some(page))
}

/// The commands that have a page.
#[must_use]
pub fn commands() -> Vec<String> {
    Cli::command().get_subcommands().map(|command| command.get_name().to_owned()).collect()
}

/// A script that completes the program's arguments in this shell.
#[must_use]
pub fn completions(shell: Shell) -> Vec<u8> {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut Cli::command(), NAME, &mut script);
    script
}

#[cfg(test)]
mod tests {
    use clap::ValueEnum;
    use clap_complete::Shell;

    use super::{commands, completions, page};

    fn text(command: Option<&str>) -> String {
        String::from_utf8(page(command).unwrap().unwrap()).unwrap()
    }

    #[test]
    fn every_command_has_a_page() {
        let whole = text(None);
        assert!(whole.contains(".TH greenroom 1") && whole.contains("Exit codes"), "{whole}");
        assert!(commands().len() > 4, "{:?}", commands());
        for command in commands() {
            let page = text(Some(command.as_str()));
            assert!(page.contains(&format!(".TH greenroom-{command} 1")), "{page}");
            assert!(whole.contains(&format!("greenroom\\-{command}(1)")), "{command}: {whole}");
        }
        assert!(page(Some("dance")).unwrap().is_none());
    }

    #[test]
    fn every_shell_can_complete() {
        for shell in Shell::value_variants() {
            let script = String::from_utf8(completions(*shell)).unwrap();
            assert!(script.contains("log-format") && script.contains("explain"), "{shell}: {script}");
        }
    }
}
