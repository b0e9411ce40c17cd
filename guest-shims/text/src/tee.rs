//! `tee`.

use std::io::{self, Read, Write};

use shim::{
    BLOCK, Context, Outcome,
    args::{self, Opt, Order, flag},
    sys,
};

const OPTIONS: &[Opt] = &[flag('a', "append"), flag('i', "ignore-interrupts"), flag('p', "")];

pub(crate) fn main(context: &mut Context) -> Outcome {
    let parsed = args::parse(OPTIONS, &context.args, Order::Permute)?;
    let append = parsed.options.iter().any(|option| option.name() == "a");
    let mut status = 0;
    let mut files = Vec::new();
    for name in &parsed.operands {
        match if append { sys::append(name) } else { sys::create(name) } {
            Ok(file) => files.push(file),
            Err(error) => {
                let shown = String::from_utf8_lossy(name).into_owned();
                context.warn(format_args!("{shown}: {}", sys::reason(&error)));
                status = 1;
            }
        }
    }
    let mut input = io::stdin().lock();
    let mut block = vec![0; BLOCK];
    loop {
        let len = input.read(&mut block)?;
        if len == 0 {
            return Ok(status);
        }
        for file in &mut files {
            file.write_all(&block[..len])?;
        }
        context.out.write_all(&block[..len])?;
        context.out.flush()?;
    }
}
