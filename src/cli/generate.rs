//! `dashboard-cast generate`: what the package has beside the program, written by the program itself.
//!
//! A hidden verb and not a build script: a build script would have to compile the command line, and
//! all that it knows of, a second time.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use clap::{Command, Subcommand, ValueEnum, ValueHint};
use clap_complete::Shell;
use clap_mangen::Man;

/// What is written, and where to.
#[derive(Debug, Subcommand)]
pub(super) enum What {
    /// Manual pages: one of the program and one of each verb.
    Man {
        /// A directory, which is made if need be.
        #[arg(value_hint = ValueHint::DirPath)]
        directory: PathBuf,
    },
    /// What completes command lines in bash, fish and zsh.
    Completions {
        /// A directory, which is made if need be.
        #[arg(value_hint = ValueHint::DirPath)]
        directory: PathBuf,
    },
}

const MANUAL: &str = "dashboard\\-cast manual";

/// What no verb can say of itself.
const EXIT_STATUS: &str = r#".SH "EXIT STATUS"
.TP
0
It is done; after
.B start \-\-wait
the page is where it should be.
.TP
1
It is not done, and stderr says why; or the service that
.B health
asked is degraded, or
.B doctor
found something that fails.
.TP
2
The command line is not understood.
.TP
70
A bug of this program or of the service.
.TP
78
The configuration cannot be used.
To
.BR reload ,
after which the service goes on with the one before, that is 1.
"#;

const MAIN_PAGE: &str = r#".SH ENVIRONMENT
.TP
.B DASHBOARD_CAST_LOG
How much is said on stderr:
.BR error ,
.BR warn ,
.BR info ,
.B debug
or
.BR trace .
.TP
.B NO_COLOR
When set, nothing is coloured.
.SH FILES
.TP
.I /etc/dashboard\-cast/dashboard\-cast.toml
The configuration, see
.BR dashboard\-cast.toml (5).
.SH EXAMPLES
.EX
dashboard\-cast start http://host:3000/d/1 \-\-device Kitchen \-\-wait
dashboard\-cast status
dashboard\-cast navigate Kitchen http://host:3000/d/2
dashboard\-cast snapshot Kitchen \-\-output kitchen.png
dashboard\-cast stop Kitchen
.EE
"#;

const SEE_ALSO: &str = r#".SH "SEE ALSO"
.BR dashboard\-cast (1),
.BR dashboard\-cast (8),
.BR dashboard\-cast.toml (5),
.BR \%org.dashboardcast1 (5)
"#;

pub(super) fn run(program: Command, what: &What) -> io::Result<()> {
    let (What::Man { directory } | What::Completions { directory }) = what;
    fs::create_dir_all(directory)?;
    match what {
        What::Man { .. } => man_pages(program, directory),
        What::Completions { .. } => completions(program, directory),
    }
}

fn man_pages(program: Command, directory: &Path) -> io::Result<()> {
    let mut program = program.disable_help_subcommand(true);
    program.build();
    write_pages(&program, directory, true)
}

fn write_pages(command: &Command, directory: &Path, main: bool) -> io::Result<()> {
    for verb in visible(command) {
        write_pages(verb, directory, false)?;
    }
    // As in the help.
    let as_in_help = command.clone().subcommand_value_name("COMMAND");
    let man = Man::new(as_in_help.subcommand_help_heading("COMMANDS"));
    let file = man.get_filename();
    // The crate's own title leaves out an empty date, and what follows is then in its place; a date
    // would make each build another one.
    let name = file.trim_end_matches(".1").replace('-', "\\-");
    let mut page = format!(".TH {name} 1 \"\" \"dashboard\\-cast\" \"{MANUAL}\"\n").into_bytes();
    man.render_name_section(&mut page)?;
    man.render_synopsis_section(&mut page)?;
    man.render_description_section(&mut page)?;
    man.render_options_section(&mut page)?;
    if visible(command).next().is_some() {
        man.render_subcommands_section(&mut page)?;
    }
    page.extend_from_slice(EXIT_STATUS.as_bytes());
    if main {
        page.extend_from_slice(MAIN_PAGE.as_bytes());
    }
    page.extend_from_slice(SEE_ALSO.as_bytes());
    fs::write(directory.join(file), page)
}

/// What is not only for ourselves.
fn visible(command: &Command) -> impl Iterator<Item = &Command> {
    command.get_subcommands().filter(|verb| !verb.is_hide_set())
}

fn completions(program: Command, directory: &Path) -> io::Result<()> {
    // The generators know nothing of hidden verbs.
    let mut program = Command::new("dashboard-cast")
        .version(env!("CARGO_PKG_VERSION"))
        .args(program.get_arguments().cloned())
        .subcommands(visible(&program).cloned());
    for shell in Shell::value_variants() {
        // The others are not in Debian's shells, or load no completions of packages.
        if matches!(shell, Shell::Bash | Shell::Fish | Shell::Zsh) {
            clap_complete::generate_to(*shell, &mut program, "dashboard-cast", directory)?;
        }
    }
    Ok(())
}
