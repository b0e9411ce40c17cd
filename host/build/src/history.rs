//! The image's history, as BuildKit writes it.

use kiln_image::config::{BUILDKIT_COMMENT, History, ImageConfig};

/// What BuildKit's exporter writes into entries of its own.
const EXPORTER_COMMENT: &str = "buildkit.exporter.image.v0";

/// Appends an entry. `created` is known for a step that made a layer; the others get theirs from
/// [`fill_created`].
pub(crate) fn commit(
    config: &mut ImageConfig,
    created_by: String,
    makes_layer: bool,
    created: Option<String>,
) {
    config.history.push(History {
        created,
        created_by,
        comment: BUILDKIT_COMMENT.to_owned(),
        empty_layer: !makes_layer,
        ..History::default()
    });
}

/// Describes the layers that the history has no entry for, as those of a base without a config: at
/// the end, in the exporter's words.
pub(crate) fn complete(config: &mut ImageConfig, layers: usize) {
    let described = config.history.iter().filter(|entry| !entry.empty_layer).count();
    for _ in described..layers {
        let last = config.history.iter().rfind(|entry| !entry.empty_layer);
        let created_by = match last.map(|entry| entry.created_by.trim_end_matches(" # buildkit")) {
            Some(run) if run.starts_with("RUN ") => run.replacen("RUN", "mount / from exec", 1),
            Some(_) => "fileop target".to_owned(),
            None => "local source for context".to_owned(),
        };
        let created = last.and_then(|entry| entry.created.clone());
        config.history.push(History {
            created,
            created_by,
            comment: EXPORTER_COMMENT.to_owned(),
            ..History::default()
        });
    }
}

/// Gives every entry a time: that of the layer before it, or for entries before the first new
/// layer, that layer's; without any layer, `now`.
pub(crate) fn fill_created(history: &mut [History], now: &str) {
    let mut time = None;
    let mut missing = false;
    for entry in history.iter() {
        if let Some(created) = &entry.created {
            time = Some(created.clone());
            if missing {
                break;
            }
        } else {
            missing = true;
        }
    }
    let mut time = time.unwrap_or_else(|| now.to_owned());
    missing = false;
    for entry in history {
        match &entry.created {
            Some(created) if missing => time.clone_from(created),
            Some(_) => {}
            None => {
                missing = true;
                entry.created = Some(time.clone());
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn filled(times: &[Option<&str>]) -> Vec<String> {
        let mut history: Vec<History> = times
            .iter()
            .map(|time| History { created: time.map(str::to_owned), ..History::default() })
            .collect();
        fill_created(&mut history, "now");
        history.into_iter().map(|entry| entry.created.unwrap()).collect()
    }

    #[test]
    fn entries_without_a_time_get_one() {
        // Base, then a metadata entry before the first new layer, then one after it.
        assert_eq!(filled(&[Some("1"), None, Some("5"), None]), ["1", "5", "5", "5"]);
        assert_eq!(filled(&[Some("1"), None]), ["1", "1"]);
        assert_eq!(filled(&[None, None]), ["now", "now"]);
        assert_eq!(
            filled(&[Some("1"), None, Some("5"), None, Some("7"), None]),
            ["1", "5", "5", "5", "7", "7"]
        );
    }
}
