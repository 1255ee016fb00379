//! `sprawl completions`: a completion script for a shell.

use clap::{Args, CommandFactory, ValueEnum};

use crate::cli::Cli;

#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  sprawl completions bash > /etc/bash_completion.d/sprawl
  sprawl completions zsh > ~/.zfunc/_sprawl
  sprawl completions fish > ~/.config/fish/completions/sprawl.fish")]
pub(crate) struct CompletionsArgs {
    /// The shell
    shell: Shell,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Shell {
    Bash,
    Zsh,
    Fish,
}

pub(crate) fn run(args: &CompletionsArgs) -> anyhow::Result<()> {
    let shell = match args.shell {
        Shell::Bash => clap_complete::Shell::Bash,
        Shell::Zsh => clap_complete::Shell::Zsh,
        Shell::Fish => clap_complete::Shell::Fish,
    };
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut Cli::command(), "sprawl", &mut script);
    crate::output::line(String::from_utf8(script)?.trim_end())?;
    Ok(())
}
