//! The commands that read and print text, and those that answer a question.

mod base64;
mod cat;
mod compare;
mod cut;
mod date;
mod diff;
mod digest;
mod echo;
mod env;
mod expr;
mod fold;
mod getent;
mod head;
mod id;
mod names;
mod number_lines;
mod od;
mod part;
mod paste;
mod printf;
mod seq;
mod simple;
mod sort;
mod split;
mod tail;
mod tee;
mod test;
mod tr;
mod uniq;
mod wc;
mod wrap;

shim::commands! {
    "[" => test::bracket,
    "arch" => simple::arch,
    "base64" => base64::main,
    "basename" => names::basename,
    "cat" => cat::cat,
    "cmp" => compare::cmp,
    "comm" => compare::comm,
    "cut" => cut::main,
    "date" => date::main,
    "diff" => diff::main,
    "dirname" => names::dirname,
    "echo" => echo::main,
    "env" => env::env,
    "expr" => expr::main,
    "false" => simple::false_,
    "fold" => fold::main,
    "getent" => getent::main,
    "groups" => id::groups,
    "head" => head::main,
    "hostname" => simple::hostname,
    "id" => id::id,
    "md5sum" => digest::md5sum,
    "nice" => wrap::nice,
    "nl" => number_lines::main,
    "nohup" => wrap::nohup,
    "nproc" => simple::nproc,
    "od" => od::main,
    "paste" => paste::main,
    "printenv" => env::printenv,
    "printf" => printf::main,
    "pwd" => simple::pwd,
    "rev" => cat::rev,
    "seq" => seq::main,
    "sha1sum" => digest::sha1sum,
    "sha224sum" => digest::sha224sum,
    "sha256sum" => digest::sha256sum,
    "sha384sum" => digest::sha384sum,
    "sha512sum" => digest::sha512sum,
    "sleep" => simple::sleep,
    "sort" => sort::main,
    "split" => split::main,
    "sync" => simple::true_,
    "tac" => cat::tac,
    "tail" => tail::main,
    "tee" => tee::main,
    "test" => test::test,
    "timeout" => wrap::timeout,
    "tr" => tr::main,
    "true" => simple::true_,
    "uname" => simple::uname,
    "uniq" => uniq::main,
    "wc" => wc::main,
    "which" => simple::which,
    "whoami" => id::whoami,
    "yes" => simple::yes,
}
