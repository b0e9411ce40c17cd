//! `find` and `xargs`.

mod evaluate;
mod expression;
mod walk;
mod xargs;

use shim::{Context, Outcome};

shim::commands! {
    "find" => find,
    "xargs" => xargs::main,
}

fn find(context: &mut Context) -> Outcome {
    let args = context.args.clone();
    let find = expression::parse(&args)?;
    walk::run(context, find)
}
