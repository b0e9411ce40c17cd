//! The commands that make, move, link and mark files.

mod chmod;
mod chown;
mod cp;
mod install;
mod ln;
mod ls;
mod mkdir;
mod mknod;
mod mktemp;
mod mv;
mod readlink;
mod rm;
mod rmdir;
mod setcap;
mod stat;
mod target;
mod touch;
mod truncate;

shim::commands! {
    "chgrp" => chown::chgrp,
    "chmod" => chmod::main,
    "chown" => chown::chown,
    "cp" => cp::main,
    "install" => install::main,
    "link" => ln::link,
    "ln" => ln::main,
    "ls" => ls::main,
    "mkdir" => mkdir::main,
    "mkfifo" => mknod::mkfifo,
    "mknod" => mknod::mknod,
    "mktemp" => mktemp::main,
    "mv" => mv::main,
    "readlink" => readlink::readlink,
    "realpath" => readlink::realpath,
    "rm" => rm::main,
    "rmdir" => rmdir::main,
    "setcap" => setcap::main,
    "stat" => stat::main,
    "touch" => touch::main,
    "truncate" => truncate::main,
    "unlink" => rm::unlink,
}
