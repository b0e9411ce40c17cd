//! What the registry in memory answers when nothing is to go wrong.

use kiln_image::digest::Digest;

use crate::server::{Auth, Reply, Request, State};

pub(crate) fn answer(state: &mut State, request: &Request) -> Reply {
    if request.path == "/token" {
        return token(state, request);
    }
    let Some(rest) = request.path.strip_prefix("/v2/") else {
        return match request.path.strip_prefix("/elsewhere/") {
            Some(key) => elsewhere(state, key),
            None => Reply::error(404, "NOT_FOUND"),
        };
    };
    if let Some(refusal) = refuse(state, request, rest) {
        return refusal;
    }
    let method = request.method.as_str();
    if let Some((repository, id)) = rest.split_once("/blobs/uploads/") {
        return upload(state, request, repository, id);
    }
    if let Some((repository, digest)) = rest.split_once("/blobs/") {
        return blob(state, request, repository, digest);
    }
    if let Some((repository, name)) = rest.split_once("/manifests/") {
        return manifest(state, request, repository, name);
    }
    if let Some((repository, digest)) = rest.split_once("/referrers/") {
        return referrers(state, request, repository, digest);
    }
    match rest.strip_suffix("/tags/list") {
        Some(repository) if method == "GET" => tags(state, request, repository),
        _ => Reply::error(404, "NOT_FOUND"),
    }
}

/// The bytes of an upload whose connection broke.
pub(crate) fn keep_part(state: &mut State, request: &Request) {
    let id = request.path.rsplit('/').next().and_then(|id| id.parse().ok()).unwrap();
    state.uploads.get_mut(&id).unwrap().extend(&request.body);
}

fn refuse(state: &State, request: &Request, rest: &str) -> Option<Reply> {
    let presented = request.header("authorization").unwrap_or_default();
    let refusal = |challenge: String| {
        Some(Reply::error(401, "UNAUTHORIZED").header("WWW-Authenticate", challenge))
    };
    match &state.auth {
        Auth::Open => None,
        Auth::Basic(expected) if presented == format!("Basic {expected}") => None,
        Auth::Basic(_) => refusal("Basic realm=\"test\"".to_owned()),
        Auth::Challenge(challenge) => refusal(challenge.clone()),
        Auth::Bearer { .. } => {
            let markers = ["/blobs/", "/manifests/", "/referrers/", "/tags/"];
            let end = markers.iter().find_map(|marker| rest.find(marker)).unwrap();
            let reading = matches!(request.method.as_str(), "GET" | "HEAD");
            let reading = reading && !rest.contains("/uploads/");
            let action = if reading { "pull" } else { "push" };
            let scope = format!("repository:{}:{action}", &rest[..end]);
            let token = presented.strip_prefix("Bearer ").unwrap_or_default();
            if state.tokens.get(token).is_some_and(|scopes| scopes.contains(&scope)) {
                return None;
            }
            refusal(format!(
                "Bearer realm=\"{}/token\",service=\"test\",scope=\"{scope}\"",
                state.origin
            ))
        }
    }
}

fn token(state: &mut State, request: &Request) -> Reply {
    let Auth::Bearer { logins, expires_in } = &state.auth else { return Reply::new(404) };
    let form = reqwest::Url::parse(&format!("form:?{}", String::from_utf8_lossy(&request.body)));
    let mut pairs: Vec<(String, String)> = form.unwrap().query_pairs().into_owned().collect();
    pairs.extend(request.query.clone());
    let refresh = pairs.iter().find(|(key, _)| key == "refresh_token").map(|(_, value)| value);
    let presented = refresh.map(String::as_str).or(request.header("authorization"));
    if let Some(logins) = logins
        && !logins.iter().any(|login| Some(login.as_str()) == presented)
    {
        return Reply::error(401, "UNAUTHORIZED");
    }
    let mut granted = std::collections::HashSet::new();
    let scopes = pairs.iter().filter(|(key, _)| key == "scope");
    for scope in scopes.flat_map(|(_, value)| value.split(' ')) {
        let (name, actions) = scope.rsplit_once(':').unwrap();
        granted.extend(actions.split(',').map(|action| format!("{name}:{action}")));
    }
    let name = format!("token-{}", state.tokens.len());
    let reply = format!(r#"{{"token":"{name}","expires_in":{expires_in}}}"#);
    state.tokens.insert(name, granted);
    Reply::new(200).body(reply)
}

fn blob(state: &State, request: &Request, repository: &str, digest: &str) -> Reply {
    let Some(blob) = state.blobs.get(&(repository.to_owned(), digest.to_owned())) else {
        return Reply::error(404, "BLOB_UNKNOWN");
    };
    if request.method == "HEAD" {
        return Reply::new(200).header("Content-Length", blob.len());
    }
    if let Some(origin) = &state.blobs_elsewhere {
        let location = format!("{origin}/elsewhere/{repository}/{digest}?signature=geheim");
        return Reply::new(307).header("Location", location);
    }
    ranged(state, request, blob)
}

fn ranged(state: &State, request: &Request, blob: &[u8]) -> Reply {
    let start = request
        .header("range")
        .filter(|_| !state.ignore_ranges)
        .map(|range| range["bytes=".len()..].trim_end_matches('-').parse::<usize>().unwrap());
    match start {
        Some(start) => Reply::new(206)
            .header("Content-Range", format!("bytes {start}-{}/{}", blob.len() - 1, blob.len()))
            .body(&blob[start..]),
        None => Reply::new(200).body(blob),
    }
}

fn elsewhere(state: &State, key: &str) -> Reply {
    let (repository, digest) = key.rsplit_once('/').unwrap();
    let blob = state.blobs.get(&(repository.to_owned(), digest.to_owned()));
    blob.map_or(Reply::new(404), |blob| Reply::new(200).body(blob.as_slice()))
}

fn upload(state: &mut State, request: &Request, repository: &str, id: &str) -> Reply {
    let digest = request.query("digest").map(str::to_owned);
    if request.method == "POST" {
        if let (Some(mount), Some(from)) = (request.query("mount"), request.query("from"))
            && !state.refuse_mounts
            && let Some(blob) = state.blobs.get(&(from.to_owned(), mount.to_owned())).cloned()
        {
            state.blobs.insert((repository.to_owned(), mount.to_owned()), blob);
            return Reply::new(201);
        }
        let id = state.uploads.len() as u64;
        state.uploads.insert(id, Vec::new());
        return session(repository, id, 0);
    }
    let Some((id, held)) = id.parse().ok().and_then(|id| Some((id, state.uploads.get_mut(&id)?)))
    else {
        return Reply::error(404, "BLOB_UPLOAD_UNKNOWN");
    };
    match request.method.as_str() {
        "GET" => Reply { status: 204, ..session(repository, id, held.len()) },
        "PATCH" => {
            let range = request.header("content-range").unwrap();
            let (start, end) = range.split_once('-').unwrap();
            let (start, end): (usize, usize) = (start.parse().unwrap(), end.parse().unwrap());
            if state.refuse_chunks || start != held.len() || end + 1 - start != request.body.len() {
                return Reply::error(416, "BLOB_UPLOAD_INVALID");
            }
            held.extend(&request.body);
            session(repository, id, held.len())
        }
        "PUT" => {
            held.extend(&request.body);
            let blob = std::mem::take(held);
            let found = Digest::of(&blob).to_string();
            if digest.as_deref() != Some(found.as_str()) {
                return Reply::error(400, "DIGEST_INVALID");
            }
            state.blobs.insert((repository.to_owned(), found.clone()), blob);
            Reply::new(201).header("Docker-Content-Digest", found)
        }
        _ => Reply::new(405),
    }
}

fn session(repository: &str, id: u64, held: usize) -> Reply {
    Reply::new(202)
        .header("Location", format!("/v2/{repository}/blobs/uploads/{id}?state=geheim"))
        .header("Range", format!("0-{}", held.saturating_sub(1)))
}

fn manifest(state: &mut State, request: &Request, repository: &str, name: &str) -> Reply {
    let key = (repository.to_owned(), name.to_owned());
    if request.method == "PUT" {
        let kind = request.header("content-type").unwrap().to_owned();
        let digest = Digest::of(&request.body).to_string();
        let entry = (kind, request.body.clone());
        state.manifests.insert((repository.to_owned(), digest.clone()), entry.clone());
        state.manifests.insert(key, entry);
        let mut reply = Reply::new(201).header("Docker-Content-Digest", digest);
        let value: serde_json::Value = serde_json::from_slice(&request.body).unwrap();
        if let Some(subject) = value.pointer("/subject/digest").filter(|_| !state.no_referrers) {
            reply = reply.header("OCI-Subject", subject.as_str().unwrap());
        }
        return reply;
    }
    match state.manifests.get(&key) {
        Some((kind, content)) => Reply::new(200)
            .header("Content-Type", kind)
            .header("Docker-Content-Digest", Digest::of(content))
            .body(content.as_slice()),
        None => Reply::error(404, "MANIFEST_UNKNOWN"),
    }
}

fn referrers(state: &State, request: &Request, repository: &str, digest: &str) -> Reply {
    if state.no_referrers {
        return Reply::new(404);
    }
    let mut found = Vec::new();
    for ((owner, name), (kind, content)) in &state.manifests {
        let value: serde_json::Value = serde_json::from_slice(content).unwrap();
        let subject = value.pointer("/subject/digest").and_then(|d| d.as_str());
        if owner == repository && name.starts_with("sha256:") && subject == Some(digest) {
            found.push(serde_json::json!({
                "mediaType": kind, "digest": name, "size": content.len(),
                "artifactType": value["artifactType"],
            }));
        }
    }
    // Filtering is left to the client.
    assert!(request.query.iter().all(|(key, _)| key == "artifactType"));
    let index = serde_json::json!({
        "schemaVersion": 2, "mediaType": "application/vnd.oci.image.index.v1+json",
        "manifests": found,
    });
    Reply::new(200).body(index.to_string())
}

/// Two tags a page.
fn tags(state: &State, request: &Request, repository: &str) -> Reply {
    let mut tags: Vec<&str> = state
        .manifests
        .keys()
        .filter(|(owner, name)| owner == repository && !name.starts_with("sha256:"))
        .map(|(_, name)| name.as_str())
        .collect();
    tags.sort_unstable();
    tags.retain(|tag| request.query("last").is_none_or(|last| *tag > last));
    let more = tags.len() > 2;
    tags.truncate(2);
    let reply =
        Reply::new(200).body(serde_json::json!({"name": repository, "tags": tags}).to_string());
    match tags.last() {
        Some(last) if more => {
            let link = format!("</v2/{repository}/tags/list?last={last}>; rel=\"next\"");
            reply.header("Link", link)
        }
        _ => reply,
    }
}
