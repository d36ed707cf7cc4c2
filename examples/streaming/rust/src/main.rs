//! Read a live stream of bssci, and print, store or forward the messages.
//!
//!     settings --> token's form --> connect, verified --> subscribe --> messages --> output --> acknowledged
//!                                      ^                                   |
//!                                      +--- 1, 2, 4 ... 30 s <--- lost ----+
//!
//! Exit status: 0 after a signal, 1 wrong settings, 2 the token is refused, 3 the certificate is not trusted.

use std::collections::hash_map::{HashMap, RandomState};
use std::fs::{File, OpenOptions};
use std::hash::{BuildHasher, Hasher};
use std::io::{self, Write};
use std::process::ExitCode;
use std::time::{Duration, Instant};

use rumqttc::{
    AsyncClient, ConnectReturnCode, ConnectionError, Event, MqttOptions, Packet, QoS,
    SubscribeReasonCode, TlsConfiguration, Transport,
};
use tokio::signal::unix::{signal, SignalKind};

const PREFIX: &str = "bssci_mqtt_";
const DRAWN: usize = 32;
const CHECKSUM: usize = 6;
const ALPHABET: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
const FIRST_DELAY: f64 = 1.0;
const LONGEST_DELAY: f64 = 30.0;
const KEEP_ALIVE: Duration = Duration::from_secs(60);
const LASTED: Duration = Duration::from_secs(10);
const WEBHOOK_TIMEOUT: Duration = Duration::from_secs(20);
const LARGEST_PACKET: usize = 1 << 20;
/// More than the 256 messages that the service sends beyond what is acknowledged.
const REQUESTS: usize = 512;

/// A fault that another attempt would not correct.
struct Fatal {
    status: u8,
    message: String,
}

fn wrong(message: impl Into<String>) -> Fatal {
    Fatal { status: 1, message: message.into() }
}

/// Return the settings of the environment; those that are missing there come from the file.
fn load_settings(path: &str) -> HashMap<String, String> {
    let text = std::fs::read_to_string(path).unwrap_or_default();
    let mut settings: HashMap<String, String> = text
        .lines()
        .filter(|line| !line.trim_start().starts_with('#'))
        .filter_map(|line| line.split_once('='))
        .map(|(name, value)| (name.trim().to_owned(), value.trim().to_owned()))
        .collect();
    settings.extend(std::env::vars().filter(|(_, value)| !value.is_empty()));
    settings
}

fn crc32(data: &[u8]) -> u32 {
    !data.iter().fold(u32::MAX, |crc, byte| {
        (0..8).fold(crc ^ u32::from(*byte), |crc, _| {
            (crc >> 1) ^ if crc & 1 == 1 { 0xEDB8_8320 } else { 0 }
        })
    })
}

/// Check prefix, length and checksum, so that a mistyped token is not even sent.
fn check_token(token: &str) -> Result<(), Fatal> {
    let rest = token.strip_prefix(PREFIX).unwrap_or_default().as_bytes();
    if rest.len() != DRAWN + CHECKSUM || !rest.iter().all(u8::is_ascii_alphanumeric) {
        return Err(wrong(format!("MQTT_API_TOKEN must be {PREFIX} and {} letters or digits", DRAWN + CHECKSUM)));
    }
    let mut number = crc32(&rest[..DRAWN]);
    for given in rest[DRAWN..].iter().rev() {
        if *given != ALPHABET[(number % 62) as usize] {
            return Err(wrong("MQTT_API_TOKEN is mistyped: its checksum is wrong"));
        }
        number /= 62;
    }
    Ok(())
}

/// Return whether the address has TLS. Without TLS it must be on this machine.
fn check_address(url: &str) -> Result<bool, Fatal> {
    let (scheme, rest) = url.split_once("://").unwrap_or_default();
    let host = rest.split([':', '/']).next().unwrap_or_default();
    match scheme {
        "wss" if !host.is_empty() => Ok(true),
        "ws" if host == "localhost" || host == "127.0.0.1" => Ok(false),
        "ws" if !host.is_empty() => Err(wrong("ws:// sends the token in the clear: use wss://")),
        _ => Err(wrong("MQTT_BROKER_URL must be wss://host:port/mqtt")),
    }
}

fn random() -> u64 {
    RandomState::new().build_hasher().finish()
}

/// The delays 1, 2, 4 ... 30 s, each extended by a random amount, so that many clients do not reconnect at the same moment.
struct Delays(f64);

impl Delays {
    fn new() -> Self {
        Self(FIRST_DELAY)
    }

    fn next(&mut self) -> Duration {
        let delay = self.0 * (1.0 + 0.25 * (random() as f64 / u64::MAX as f64));
        self.0 = (self.0 * 2.0).min(LONGEST_DELAY);
        Duration::from_secs_f64(delay)
    }
}

enum Output {
    Console,
    /// JSON lines, on disk before they are acknowledged.
    Database(File),
    /// A POST of JSON for each message; every status 2xx counts as success.
    Webhook(ureq::Agent, String),
}

impl Output {
    fn new(settings: &HashMap<String, String>) -> Result<Self, Fatal> {
        match setting(settings, "OUTPUT", "console") {
            "console" => Ok(Self::Console),
            "database" => {
                let path = setting(settings, "DATABASE_PATH", "readings.jsonl");
                let file = OpenOptions::new().create(true).append(true).open(path);
                file.map(Self::Database).map_err(|error| wrong(format!("{path}: {error}")))
            }
            "webhook" => {
                let url = setting(settings, "WEBHOOK_URL", "");
                if !url.starts_with("https://") && !url.starts_with("http://") {
                    return Err(wrong("WEBHOOK_URL must be a URL"));
                }
                let agent = ureq::AgentBuilder::new().timeout(WEBHOOK_TIMEOUT).redirects(0).build();
                Ok(Self::Webhook(agent, url.to_owned()))
            }
            _ => Err(wrong("OUTPUT must be console, database or webhook")),
        }
    }

    async fn write(&mut self, topic: &str, payload: &[u8]) -> io::Result<()> {
        match self {
            Self::Console => {
                let mut out = io::stdout().lock();
                let written = writeln!(out, "{topic} {}", String::from_utf8_lossy(payload)).and_then(|()| out.flush());
                if written.as_ref().is_err_and(|error| error.kind() == io::ErrorKind::BrokenPipe) {
                    eprintln!("error: nobody reads the output any more");
                    std::process::exit(1);
                }
                written
            }
            Self::Database(file) => {
                let before = file.metadata()?.len();
                let line = format!("{}\n", as_json(topic, payload));
                let done = file.write_all(line.as_bytes()).and_then(|()| file.sync_data());
                if done.is_err() {
                    // A truncated line would damage the next one as well.
                    file.set_len(before)?;
                }
                done
            }
            Self::Webhook(agent, url) => {
                let request = agent.post(url).set("Content-Type", "application/json");
                let body = as_json(topic, payload);
                // ureq blocks until the answer comes, so it runs in a separate thread.
                let answer = tokio::task::spawn_blocking(move || request.send_string(&body));
                match answer.await.map_err(io::Error::other)? {
                    Ok(answer) if (200..300).contains(&answer.status()) => Ok(()),
                    Ok(answer) => Err(io::Error::other(format!("the webhook answered {}", answer.status()))),
                    Err(error) => Err(io::Error::other(error)),
                }
            }
        }
    }

    /// Try to write a message until it is written.
    async fn write_surely(&mut self, topic: &str, payload: &[u8]) {
        let mut delays = Delays::new();
        while let Err(error) = self.write(topic, payload).await {
            let delay = delays.next();
            eprintln!("not written, next attempt in {:.1} s: {error}", delay.as_secs_f64());
            tokio::time::sleep(delay).await;
        }
    }
}

fn as_json(topic: &str, payload: &[u8]) -> String {
    let name = topic.replace('\\', "\\\\").replace('"', "\\\"");
    format!("{{\"topic\": \"{name}\", \"payload\": {}}}", String::from_utf8_lossy(payload))
}

fn setting<'a>(settings: &'a HashMap<String, String>, name: &str, otherwise: &'a str) -> &'a str {
    settings.get(name).map(String::as_str).filter(|value| !value.is_empty()).unwrap_or(otherwise)
}

/// The options of a connection. rumqttc takes host, port and path from the URL; the port given beside it is not used.
fn options(settings: &HashMap<String, String>, secure: bool) -> Result<MqttOptions, Fatal> {
    let name = setting(settings, "MQTT_CLIENT_ID", "");
    let id = if name.is_empty() { format!("rust-{:016x}", random()) } else { name.to_owned() };
    let mut options = MqttOptions::new(id, setting(settings, "MQTT_BROKER_URL", ""), 443);
    options.set_keep_alive(KEEP_ALIVE);
    options.set_clean_session(name.is_empty());
    options.set_credentials(setting(settings, "MQTT_API_TOKEN", ""), "");
    options.set_manual_acks(true);
    options.set_max_packet_size(LARGEST_PACKET, LARGEST_PACKET);
    // rustls verifies the certificate and the host name; there is no setting to switch that off.
    options.set_transport(match (secure, setting(settings, "CA_CERT_PATH", "")) {
        (false, _) => Transport::Ws,
        (true, "") => Transport::Wss(TlsConfiguration::default()),
        (true, path) => {
            let ca = std::fs::read(path).map_err(|error| wrong(format!("{path}: {error}")))?;
            Transport::Wss(TlsConfiguration::Simple { ca, alpn: None, client_auth: None })
        }
    });
    Ok(options)
}

/// Connect and read until the connection is lost; return why. `connected` is called when the service has accepted.
async fn attempt(
    options: MqttOptions,
    topic: &str,
    output: &mut Output,
    connected: &mut Option<Instant>,
) -> Result<String, Fatal> {
    // A new client for each connection: a delayed acknowledgement must not apply to another message with the same number.
    let (client, mut events) = AsyncClient::new(options, REQUESTS);
    loop {
        match events.poll().await {
            Ok(Event::Incoming(Packet::ConnAck(answer))) => {
                *connected = Some(Instant::now());
                eprintln!("connected{}", if answer.session_present { ", session resumed" } else { "" });
                if let Err(error) = client.try_subscribe(topic, QoS::AtLeastOnce) {
                    return Ok(error.to_string());
                }
            }
            Ok(Event::Incoming(Packet::SubAck(answer))) => {
                if answer.return_codes.contains(&SubscribeReasonCode::Failure) {
                    return Err(Fatal { status: 2, message: format!("the token does not allow {topic}") });
                }
            }
            Ok(Event::Incoming(Packet::Publish(message))) => {
                output.write_surely(&message.topic, &message.payload).await;
                if let Err(error) = client.try_ack(&message) {
                    return Ok(error.to_string());
                }
            }
            Ok(_) => {}
            Err(ConnectionError::ConnectionRefused(ConnectReturnCode::ServiceUnavailable)) => {
                return Ok("the service is busy".to_owned());
            }
            Err(ConnectionError::ConnectionRefused(code)) => {
                return Err(Fatal { status: 2, message: format!("the service refuses the connection: {code:?}") });
            }
            Err(error) => {
                let reason = error.to_string();
                if reason.contains("invalid peer certificate") {
                    return Err(Fatal { status: 3, message: format!("the certificate is not trusted: {reason}") });
                }
                return Ok(reason);
            }
        }
    }
}

async fn run() -> Result<(), Fatal> {
    let settings = load_settings(".env");
    let secure = check_address(setting(&settings, "MQTT_BROKER_URL", ""))?;
    check_token(setting(&settings, "MQTT_API_TOKEN", ""))?;
    let mut output = Output::new(&settings)?;
    let topic = setting(&settings, "MQTT_TOPIC", "device/+/telemetry/#");
    let options = options(&settings, secure)?;
    let mut delays = Delays::new();
    loop {
        let mut connected = None;
        let reason = attempt(options.clone(), topic, &mut output, &mut connected).await?;
        if connected.is_some_and(|since| since.elapsed() > LASTED) {
            delays = Delays::new();
        }
        let delay = delays.next();
        eprintln!("not connected, next attempt in {:.1} s: {reason}", delay.as_secs_f64());
        tokio::time::sleep(delay).await;
    }
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    let (mut end, mut interrupt) = match (signal(SignalKind::terminate()), signal(SignalKind::interrupt())) {
        (Ok(end), Ok(interrupt)) => (end, interrupt),
        _ => return ExitCode::FAILURE,
    };
    let outcome = tokio::select! {
        outcome = run() => outcome,
        _ = end.recv() => Ok(()),
        _ = interrupt.recv() => Ok(()),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(Fatal { status, message }) => {
            eprintln!("error: {message}");
            ExitCode::from(status)
        }
    }
}
