//! The client against the reference implementation, Docker's registry, where it is installed.

use std::io::{BufRead, BufReader, Write as _};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;

use kiln_image::manifest::{Descriptor, Manifest};
use kiln_image::media_type::{OCI_CONFIG, OCI_INDEX, OCI_MANIFEST};
use kiln_registry::{Config, ErrorKind, PushedBlob, Registry, RegistryOptions};

use crate::support::*;

/// A running registry; it ends with the test.
struct Real {
    process: Child,
    dir: tempfile::TempDir,
    host: String,
}

impl Drop for Real {
    fn drop(&mut self) {
        // It may have ended by itself; then there is nothing to do.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// Starts a registry with these additions to its configuration. None: it is not installed.
fn start(prepare: impl Fn(&Path) -> Option<String>) -> Option<Real> {
    let dir = tempfile::tempdir().unwrap();
    let http_and_auth = prepare(dir.path())?;
    // Taken and given back: the registry does not tell which port it got.
    let host =
        std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().to_string();
    let config = format!(
        "version: 0.1\nlog: {{level: error}}\nstorage:\n  filesystem: {{rootdirectory: {}}}\n  \
         delete: {{enabled: true}}\n{}",
        dir.path().join("data").display(),
        http_and_auth.replace("HOST", &host),
    );
    let path = dir.path().join("config.yml");
    std::fs::write(&path, config).unwrap();
    let spawned = Command::new("docker-registry")
        .arg("serve")
        .arg(path)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn();
    let Ok(process) = spawned else {
        skipped("docker-registry is not installed");
        return None;
    };
    let real = Real { process, dir, host };
    for _ in 0..200 {
        if std::net::TcpStream::connect(&real.host).is_ok() {
            return Some(real);
        }
        std::thread::sleep(std::time::Duration::from_millis(50));
    }
    panic!("docker-registry does not listen on {}", real.host);
}

fn plain(_: &Path) -> Option<String> {
    Some("http: {addr: \"HOST\", secret: x}\n".to_owned())
}

/// Chunks even for small blobs.
fn chunked(config: Config) -> Config {
    Config { chunk_size: 100_000, whole_limit: 100_000, ..config }
}

/// Pushes an image of two layers, one of them in chunks, and pulls it again.
fn round_trip(client: &Registry, host: &str) {
    let (_from, from) = store();
    let contents = [noise(350_001), noise(10), b"{}".to_vec()];
    let mut blobs: Vec<Descriptor> = contents.iter().map(|content| layer(content)).collect();
    for content in &contents {
        from.put(content).unwrap();
    }
    let image = reference(host, "team/app:v1");
    for blob in &blobs {
        let pushed = client.push_blob(&image, blob, &from, &[], None).unwrap();
        assert_eq!(pushed, PushedBlob::Uploaded);
        assert!(client.blob_exists(&image, blob).unwrap());
        let again = client.push_blob(&image, blob, &from, &[], None).unwrap();
        assert_eq!(again, PushedBlob::Existed);
        let other = reference(host, "team/other:v1");
        let mounted = client.push_blob(&other, blob, &from, &["team/app".to_owned()], None);
        assert_eq!(mounted.unwrap(), PushedBlob::Mounted("team/app".to_owned()));
    }
    let mut config = blobs.pop().unwrap();
    config.media_type = OCI_CONFIG.to_owned();
    let bytes = Manifest::new(config, blobs.clone()).to_bytes();
    let pushed = client.push_manifest(&image, OCI_MANIFEST, &bytes).unwrap();
    assert_eq!(client.head(&image).unwrap(), pushed.descriptor);
    assert_eq!(client.resolve(&image).unwrap(), (pushed.descriptor.clone(), bytes.clone()));
    let by_digest = image.with_digest(pushed.descriptor.digest);
    assert_eq!(client.resolve(&by_digest).unwrap().1, bytes);
    assert_eq!(client.tags(&image).unwrap(), ["v1"]);

    let index = kiln_image::manifest::Index::new(vec![pushed.descriptor.clone()]).to_bytes();
    let latest = reference(host, "team/app:latest");
    client.push_manifest(&latest, OCI_INDEX, &index).unwrap();
    assert_eq!(client.resolve(&latest).unwrap().1, index);

    let mut attached = Manifest::from_bytes(&bytes).unwrap();
    attached.subject = Some(pushed.descriptor.clone());
    let attached = attached.to_bytes();
    let descriptor = Descriptor::of(OCI_MANIFEST, &attached);
    let pushed_to =
        client.push_manifest(&image.with_digest(descriptor.digest), OCI_MANIFEST, &attached);
    assert!(pushed_to.unwrap().subject_listed);
    let referrers = client.referrers(&image, &pushed.descriptor, None).unwrap();
    assert_eq!(referrers.iter().map(|r| r.digest).collect::<Vec<_>>(), [descriptor.digest]);

    let (_to, to) = store();
    client.pull_blobs(&image, &blobs, &to, &|_| None).unwrap();
    for (blob, content) in blobs.iter().zip(&contents) {
        assert_eq!(&to.get(&blob.digest, u64::MAX).unwrap(), content);
    }
    let missing = client.resolve(&reference(host, "team/app:v9")).unwrap_err();
    assert_eq!(missing.kind(), ErrorKind::NotFound);
}

#[test]
fn without_authentication() {
    let Some(real) = start(plain) else { return };
    round_trip(&client(chunked(config())), &real.host);
}

#[test]
fn with_passwords() {
    let htpasswd = |dir: &Path| {
        let made = Command::new("htpasswd").args(["-Bbn", "joe", "geheim"]).output();
        let Ok(made) = made else {
            skipped("htpasswd is not installed");
            return None;
        };
        let path = dir.join("htpasswd");
        std::fs::write(&path, made.stdout).unwrap();
        let auth = format!("auth:\n  htpasswd: {{realm: test, path: {}}}\n", path.display());
        Some(plain(dir)? + &auth)
    };
    let Some(real) = start(htpasswd) else { return };
    let login = |password: &str| {
        let json = format!(
            r#"{{"auths":{{"{}":{{"username":"joe","password":"{password}"}}}}}}"#,
            real.host
        );
        chunked(config_with_auth(&json))
    };
    round_trip(&client(login("geheim")), &real.host);
    let image = reference(&real.host, "team/app:v1");
    for (config, expected) in [
        (login("falsch"), "the credentials of user `joe` come from DOCKER_AUTH_CONFIG"),
        (config(), "it wants a user name and password; no credentials"),
    ] {
        let error = client(config).resolve(&image).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Unauthorized);
        assert!(error.to_string().contains(expected), "{error}");
    }
}

#[test]
fn a_damaged_blob_is_refused() {
    let Some(real) = start(plain) else { return };
    let client = client(config());
    let (_from, from) = store();
    let content = noise(5_000);
    from.put(&content).unwrap();
    let blob = layer(&content);
    let image = reference(&real.host, "a:v1");
    client.push_blob(&image, &blob, &from, &[], None).unwrap();
    let hex = blob.digest.hex();
    let path = format!("data/docker/registry/v2/blobs/sha256/{}/{hex}/data", &hex[..2]);
    std::fs::write(real.dir.path().join(path), &noise(5_001)[1..]).unwrap();
    let (_to, to) = store();
    let error = client.pull_blob(&image, &blob, &to, None).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Content);
    assert_eq!(to.has(&blob.digest), None);
}

/// Makes a CA, a server certificate for 127.0.0.1 and a client certificate. False: no openssl.
fn certificates(dir: &Path) -> bool {
    let openssl = |arguments: &str| {
        let output = Command::new("openssl").args(arguments.split(' ')).current_dir(dir).output();
        output.is_ok_and(|output| {
            assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
            true
        })
    };
    std::fs::write(dir.join("server.ext"), "subjectAltName=IP:127.0.0.1\n").unwrap();
    std::fs::write(dir.join("client.ext"), "extendedKeyUsage=clientAuth\n").unwrap();
    let key = "-newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes";
    let made = openssl(&format!("req -x509 {key} -keyout ca.key -out ca.pem -days 2 -subj /CN=ca"));
    for name in ["server", "client"] {
        let _ = made
            && openssl(&format!("req {key} -keyout {name}.key -out {name}.csr -subj /CN={name}"))
            && openssl(&format!(
                "x509 -req -in {name}.csr -CA ca.pem -CAkey ca.key -CAcreateserial -days 2 -out \
                 {name}.pem -extfile {name}.ext"
            ));
    }
    if !made {
        skipped("openssl is not installed");
    }
    made
}

#[test]
fn with_a_certificate_of_its_own_authority() {
    let tls = |dir: &Path| {
        certificates(dir).then(|| {
            let dir = dir.display();
            format!(
                "http:\n  addr: \"HOST\"\n  secret: x\n  tls: {{certificate: {dir}/server.pem, \
                 key: {dir}/server.key}}\n"
            )
        })
    };
    let Some(real) = start(tls) else { return };
    let with = |options: RegistryOptions| Config {
        registries: [(real.host.clone(), options)].into(),
        ..chunked(config())
    };
    let ca = real.dir.path().join("ca.pem");
    let trusting = RegistryOptions { ca_files: vec![ca.clone()], ..RegistryOptions::default() };
    round_trip(&client(with(trusting)), &real.host);

    let https = RegistryOptions { plain_http: Some(false), ..RegistryOptions::default() };
    let image = reference(&real.host, "team/app:v1");
    let error = client(with(https.clone())).resolve(&image).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unavailable);
    assert!(error.to_string().contains("CA certificate"), "{error}");

    let mut by_variable = with(https);
    by_variable.env.insert("SSL_CERT_FILE".into(), ca.display().to_string());
    client(by_variable.clone()).resolve(&image).unwrap();
    by_variable.env.remove("SSL_CERT_FILE");
    let authorities = real.dir.path().join("authorities");
    std::fs::create_dir(&authorities).unwrap();
    std::fs::copy(&ca, authorities.join("ca.pem")).unwrap();
    std::fs::write(authorities.join("README"), "not a certificate").unwrap();
    let directories = format!("/nonexistent:{}", authorities.display());
    by_variable.env.insert("SSL_CERT_DIR".into(), directories);
    client(by_variable).resolve(&image).unwrap();
    let careless = RegistryOptions { skip_tls_verify: true, ..RegistryOptions::default() };
    client(with(careless)).resolve(&image).unwrap();

    let error = client(config()).resolve(&image).unwrap_err();
    assert!(error.to_string().contains("HTTP 400"), "plain HTTP to a TLS port: {error}");
}

#[test]
fn with_client_certificates() {
    let tls = |dir: &Path| {
        certificates(dir).then(|| {
            let dir = dir.display();
            format!(
                "http:\n  addr: \"HOST\"\n  secret: x\n  tls:\n    certificate: {dir}/server.pem\n    \
                 key: {dir}/server.key\n    clientcas: [{dir}/ca.pem]\n"
            )
        })
    };
    let Some(real) = start(tls) else { return };
    let file = |name: &str| real.dir.path().join(name);
    let mut options =
        RegistryOptions { ca_files: vec![file("ca.pem")], ..RegistryOptions::default() };
    let with = |options: &RegistryOptions| Config {
        registries: [(real.host.clone(), options.clone())].into(),
        ..config()
    };
    let image = reference(&real.host, "a:v1");
    // The server's reason is lost where its alert and our request cross.
    let error = client(with(&options)).resolve(&image).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unavailable, "{error}");
    options.client_certificate = Some((file("client.pem"), file("client.key")));
    let error = client(with(&options)).resolve(&image).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotFound, "{error}");
}

#[test]
fn tls_where_there_is_none() {
    let Some(real) = start(plain) else { return };
    let https = RegistryOptions { plain_http: Some(false), ..RegistryOptions::default() };
    let config = Config { registries: [(real.host.clone(), https)].into(), ..config() };
    let error = client(config).resolve(&reference(&real.host, "a:v1")).unwrap_err();
    assert!(error.to_string().contains("does not speak TLS"), "{error}");
}

#[test]
fn through_a_proxy() {
    let Some(real) = start(plain) else { return };
    // A proxy that answers everything itself, to see what reaches it.
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let proxy = listener.local_addr().unwrap();
    let lines = Arc::new(std::sync::Mutex::new(Vec::new()));
    let seen = lines.clone();
    std::thread::spawn(move || {
        for mut stream in listener.incoming().flatten() {
            let mut line = String::new();
            BufReader::new(stream.try_clone().unwrap()).read_line(&mut line).unwrap();
            seen.lock().unwrap().push(line);
            stream.write_all(b"HTTP/1.1 404 x\r\ncontent-length: 0\r\n\r\n").unwrap();
        }
    });
    let mut config = config();
    config.env.insert("http_proxy".into(), proxy.to_string());
    config.default_registry.plain_http = Some(true);
    let client = client(config);
    let resolve = |host: &str| client.resolve(&reference(host, "a:v1")).unwrap_err();
    assert_eq!(resolve("r.example").kind(), ErrorKind::NotFound);
    // Never for loopback.
    assert_eq!(resolve(&real.host).kind(), ErrorKind::NotFound);
    assert_eq!(*lines.lock().unwrap(), ["GET http://r.example/v2/a/manifests/v1 HTTP/1.1\r\n"]);
}

/// Lets so many bytes through from the client, then drops the connection; the next ones pass.
fn breaking_relay(to: String, after: u64) -> String {
    use std::io::Read as _;
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    std::thread::spawn(move || {
        let broken = Arc::new(std::sync::atomic::AtomicBool::new(false));
        for client in listener.incoming().flatten() {
            let server = std::net::TcpStream::connect(&to).unwrap();
            let (mut from, mut back) = (client.try_clone().unwrap(), server.try_clone().unwrap());
            let (mut there, mut here) = (server, client);
            let broken = broken.clone();
            std::thread::spawn(move || {
                let limit =
                    if broken.load(std::sync::atomic::Ordering::SeqCst) { u64::MAX } else { after };
                let copied = std::io::copy(&mut (&mut from).take(limit), &mut there);
                if copied.is_ok_and(|copied| copied == limit) {
                    broken.store(true, std::sync::atomic::Ordering::SeqCst);
                }
                // Either side may be gone already.
                let _ = from.shutdown(std::net::Shutdown::Both);
                let _ = there.shutdown(std::net::Shutdown::Both);
            });
            std::thread::spawn(move || std::io::copy(&mut back, &mut here));
        }
    });
    address
}

#[test]
fn a_broken_upload_is_repeated() {
    let Some(real) = start(plain) else { return };
    let relay = breaking_relay(real.host.clone(), 3_000_000);
    let (_from, from) = store();
    let content = noise(8_000_000);
    from.put(&content).unwrap();
    let blob = layer(&content);
    let (progress, told) = progress();
    let client = client(Config { chunk_size: 1_000_000, ..config() });
    let image = reference(&relay, "a:v1");
    client.push_blob(&image, &blob, &from, &[], Some(&progress)).unwrap();
    assert!(client.blob_exists(&image, &blob).unwrap());
    // Docker's registry 2.8 does not say what it has kept of a request that broke, so the upload
    // begins again, in chunks.
    let told = told.lock().unwrap();
    assert!(told.windows(2).any(|pair| pair[1] < pair[0]), "the upload never broke");
    assert_eq!(told.last(), Some(&8_000_000));
}
