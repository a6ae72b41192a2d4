//! Credentials in arguments: everybody on the machine can read a process's command line, and nobody else its environment.
//!
//! A `get` that was given one in plain sight starts itself anew in its own place, with its arguments in the environment. So they stand in the
//! list of processes for the few milliseconds until then. `env:NAME` and `file:PATH` never do.

use std::ffi::OsString;
use std::os::unix::process::CommandExt;
use std::process::Command;

use crate::cli::args::GetArgs;

/// The variable that has the arguments, as a list of JSON.
const VARIABLE: &str = "LAKEWARD_GET_ARGUMENTS";

/// The arguments of this process: those of its command line, or of the one that it took the place of.
pub(crate) fn arguments() -> Vec<OsString> {
    let own: Vec<OsString> = std::env::args_os().collect();
    let is_bare = own.len() == 2 && own.get(1).is_some_and(|command| command == "get");
    let kept = std::env::var(VARIABLE).ok().filter(|_| is_bare);
    let kept = kept.and_then(|text| serde_json::from_str::<Vec<String>>(&text).ok());
    match (own.into_iter().next(), kept) {
        (Some(program), Some(kept)) => std::iter::once(program).chain(kept.into_iter().map(OsString::from)).collect(),
        _ => std::env::args_os().collect(),
    }
}

/// Takes a credential out of the list of processes, if one stands there. Where that cannot be done, the command goes on as it is.
pub(crate) fn hide(args: &GetArgs) {
    if !shows_secret(args) || std::env::var_os(VARIABLE).is_some() {
        return;
    }
    let mut own = std::env::args_os();
    let program = own.next().unwrap_or_else(|| "lakeward".into());
    let Ok(texts) = own.map(OsString::into_string).collect::<Result<Vec<String>, _>>() else { return };
    let (Ok(text), Ok(path)) = (serde_json::to_string(&texts), std::env::current_exe()) else { return };
    // It comes back only where it fails.
    let error = Command::new(path).arg0(program).arg("get").env(VARIABLE, text).exec();
    tracing::debug!(error = %error, "the arguments stay in the list of processes");
}

fn shows_secret(args: &GetArgs) -> bool {
    let auth = args.auth.as_deref().is_some_and(|auth| {
        !auth.contains(":env:") && !auth.contains(":file:") && !auth.contains("=env:") && !auth.contains("=file:")
    });
    let url = args.url.as_deref().is_some_and(|url| url.contains(['@', '?']));
    let curl = args.from_curl.as_deref().is_some_and(|command| command != "-" && !command.starts_with('@'));
    let json = args.json.as_deref().is_some_and(|json| !json.starts_with('@'));
    auth || url || curl || json || !args.header.is_empty() || !args.param.is_empty()
}
