//! The commands that make and change users and groups: shadow's, Debian's and BusyBox's.

mod busybox;
mod config;
mod database;
mod debian;
mod group;
mod home;
mod ids;
mod passwd;
mod useradd;
mod userdel;
mod usermod;

use shim::{Context, Outcome, native, paths, sys};

shim::commands! {
    "addgroup" => dialect,
    "adduser" => dialect,
    "delgroup" => dialect,
    "deluser" => dialect,
    "gpasswd" => passwd::gpasswd,
    "groupadd" => group::add,
    "groupdel" => group::delete,
    "groupmod" => group::modify,
    "passwd" => passwd::passwd,
    "useradd" => useradd::main,
    "userdel" => userdel::main,
    "usermod" => usermod::main,
}

/// `adduser` and its kin mean three different things: which one, the image says.
fn dialect(context: &mut Context) -> Outcome {
    if sys::is_busybox() {
        return busybox::main(context);
    }
    for dir in ["/usr/sbin/", "/sbin/", "/usr/bin/", "/bin/"] {
        let path = format!("{dir}{}", context.name);
        let Ok(target) = sys::readlink(path.as_bytes()) else { continue };
        // Fedora's adduser is useradd.
        if paths::base_name(&target) == b"useradd" {
            return useradd::main(context);
        }
        if paths::base_name(&target) == b"busybox" {
            return busybox::main(context);
        }
    }
    if sys::stat(b"/usr/share/perl5/Debian/AdduserCommon.pm").is_err() {
        return Err(native("an adduser of unknown make"));
    }
    debian::main(context)
}
