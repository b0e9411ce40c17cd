//! The nodes as S-expressions, for tests against BuildKit's.

use super::Node;
use crate::quote::{quote, quote_list};

pub(super) fn dump(nodes: &[Node]) -> String {
    let lines: Vec<String> = nodes.iter().map(|node| format!("({})", one(node))).collect();
    lines.join("\n")
}

fn one(node: &Node) -> String {
    let mut out = node.keyword();
    if !node.flags.is_empty() {
        out.push(' ');
        out.push_str(&quote_list(&node.flags));
    }
    for value in &node.args.values {
        out.push(' ');
        out.push_str(&quote(value));
    }
    if let Some(inner) = &node.onbuild {
        out.push_str(&format!(" ({})", one(inner)));
    }
    out.trim().to_owned()
}
