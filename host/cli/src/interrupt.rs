//! ^C and SIGTERM: the first asks the build to stop, the second ends the program at once.

use kiln_runner::Cancel;

/// What a shell reports for a program that SIGINT ended.
const INTERRUPTED: i32 = 130;

/// Sets `cancel` when the user or the system asks to stop.
pub(crate) fn install(cancel: Cancel) {
    std::thread::spawn(move || {
        let Ok(runtime) = tokio::runtime::Builder::new_current_thread().enable_all().build() else {
            return;
        };
        runtime.block_on(async {
            use tokio::signal::unix::{SignalKind, signal};
            let (Ok(mut interrupt), Ok(mut terminate)) =
                (signal(SignalKind::interrupt()), signal(SignalKind::terminate()))
            else {
                return;
            };
            let mut asked = false;
            loop {
                tokio::select! {
                    _ = interrupt.recv() => {}
                    _ = terminate.recv() => {}
                }
                if asked {
                    exit_now();
                }
                asked = true;
                cancel.cancel();
            }
        });
    });
}

#[expect(clippy::exit, reason = "the user asked twice")]
fn exit_now() -> ! {
    std::process::exit(INTERRUPTED)
}
