// Read a live stream of bssci, and print, store or forward the messages.
//
//   settings --> token's form --> connect, verified --> subscribe --> messages --> output --> acknowledged
//                                    ^                                   |
//                                    +--- 1, 2, 4 ... 30 s <--- lost ----+
//
// Exit status: 0 after a signal, 1 settings are wrong, 2 the service refuses the token, 3 its certificate is not trusted.

import { appendFileSync, closeSync, existsSync, fsyncSync, openSync, readFileSync } from "node:fs";
import mqtt from "mqtt";

const ALPHABET = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
const [FIRST_DELAY, LONGEST_DELAY] = [1000, 30000];
const NOT_TRUSTED = /CERT|certificate|self.signed|ERR_TLS/i;
const sleep = (ms) => new Promise((done) => setTimeout(done, ms));

class Fatal extends Error {
  constructor(status, message) {
    super(message);
    this.status = status;
  }
}

/** Return the settings of the environment; those that are missing there come from the file `.env`. */
function loadSettings(path = ".env") {
  const settings = {};
  if (existsSync(path)) {
    for (const line of readFileSync(path, "utf8").split("\n")) {
      const found = /^\s*([A-Z_]+)\s*=(.*)$/.exec(line);
      if (found) settings[found[1]] = found[2].trim();
    }
  }
  for (const [name, value] of Object.entries(process.env)) if (value) settings[name] = value;
  return settings;
}

/** Check prefix, length and checksum, so that a mistyped token is not even sent. */
function checkToken(token = "") {
  if (!/^bssci_mqtt_[0-9A-Za-z]{38}$/.test(token)) throw new Fatal(1, "MQTT_API_TOKEN must be bssci_mqtt_ and 38 letters or digits");
  let number = crc32(token.slice(11, 43));
  let checksum = "";
  while (checksum.length < 6) {
    checksum = ALPHABET[number % 62] + checksum;
    number = Math.floor(number / 62);
  }
  if (token.slice(43) !== checksum) throw new Fatal(1, "MQTT_API_TOKEN is mistyped: its checksum is wrong");
}

function crc32(text) {
  let crc = 0xffffffff;
  for (const byte of Buffer.from(text)) {
    crc ^= byte;
    for (let bit = 0; bit < 8; bit += 1) crc = (crc >>> 1) ^ (crc & 1 ? 0xedb88320 : 0);
  }
  return (crc ^ 0xffffffff) >>> 0;
}

const OUTPUTS = {
  /** Print messages. */
  console: () => async (topic, body) => {
    if (body?.sensor !== undefined) console.log(body.timestamp, body.device_id, body.sensor, body.value, body.unit ?? "");
    else console.log(topic, JSON.stringify(body));
  },
  /** Append messages as JSON lines; each is on disk before it is acknowledged. */
  database: ({ DATABASE_PATH }) => {
    const file = openSync(DATABASE_PATH || "readings.jsonl", "a", 0o640);
    process.on("exit", () => closeSync(file));
    return async (topic, body) => {
      appendFileSync(file, `${JSON.stringify({ topic, payload: body })}\n`);
      fsyncSync(file);
    };
  },
  /** Post messages as JSON; every status 2xx counts as success. */
  webhook: ({ WEBHOOK_URL = "" }) => {
    if (!/^https?:\/\//.test(WEBHOOK_URL)) throw new Fatal(1, "WEBHOOK_URL must be a URL");
    return async (topic, body) => {
      const answer = await fetch(WEBHOOK_URL, {
        method: "POST",
        headers: { "Content-Type": "application/json" },
        body: JSON.stringify({ topic, payload: body }),
        signal: AbortSignal.timeout(20000),
      });
      if (!answer.ok) throw new Error(`the webhook answered ${answer.status}`);
    };
  },
};

/** Yield 1, 2, 4 ... 30 s, each extended by a random amount, so that many clients do not reconnect at the same moment. */
function* delays() {
  for (let delay = FIRST_DELAY; ; delay = Math.min(2 * delay, LONGEST_DELAY)) yield delay * (1 + 0.25 * Math.random());
}

function parse(payload) {
  try {
    return JSON.parse(payload);
  } catch {
    return payload.toString();
  }
}

/** Try to write a message until it is written. mqtt.js acknowledges the message after that, and only then gives the next one. */
async function writeSurely(write, topic, payload, isStopped) {
  for (const delay of delays()) {
    try {
      await write(topic, parse(payload));
      return;
    } catch (error) {
      if (isStopped()) throw error;
      console.error(`not written, next attempt in ${(delay / 1000).toFixed(1)} s: ${error.message}`);
      await sleep(delay);
    }
  }
}

function main() {
  const settings = loadSettings();
  const url = URL.canParse?.(settings.MQTT_BROKER_URL) ? new URL(settings.MQTT_BROKER_URL) : null;
  if (!url || !["ws:", "wss:"].includes(url.protocol)) throw new Fatal(1, "MQTT_BROKER_URL must be wss://host:port/mqtt");
  if (url.protocol === "ws:" && !["localhost", "127.0.0.1"].includes(url.hostname)) throw new Fatal(1, "ws:// sends the token in the clear: use wss://");
  checkToken(settings.MQTT_API_TOKEN);
  const output = OUTPUTS[settings.OUTPUT || "console"];
  if (!output) throw new Fatal(1, `OUTPUT must be one of ${Object.keys(OUTPUTS).join(", ")}`);
  const write = output(settings);
  const topic = settings.MQTT_TOPIC || "device/+/telemetry/#";
  let following = delays();
  let connectedAt = 0;
  let stopped = false;
  let reason = "the connection was lost";

  const client = mqtt.connect(url.href, {
    protocolVersion: 4,
    username: settings.MQTT_API_TOKEN,
    clientId: settings.MQTT_CLIENT_ID || undefined,
    clean: !settings.MQTT_CLIENT_ID,
    keepalive: 60,
    // Certificate and host name are verified; there is no setting to switch that off.
    rejectUnauthorized: true,
    ca: settings.CA_CERT_PATH ? readFileSync(settings.CA_CERT_PATH) : undefined,
    // This program reconnects itself, with growing delays.
    reconnectPeriod: 0,
    resubscribe: false,
  });

  const end = (status, message = "") => {
    if (stopped) return;
    stopped = true;
    if (message) console.error(`error: ${message}`);
    client.end(false, {}, () => process.exit(status));
    setTimeout(() => process.exit(status), 3000).unref();
  };
  client.handleMessage = (packet, done) => {
    writeSurely(write, packet.topic, packet.payload, () => stopped).then(() => done(), done);
  };
  client.on("connect", ({ sessionPresent }) => {
    connectedAt = Date.now();
    console.error(`connected${sessionPresent ? ", session resumed" : ""}`);
    client.subscribe(topic, { qos: 1 }, (error, granted) => {
      if (granted?.some((each) => each.qos === 128)) end(2, `the token does not allow ${topic}`);
      else if (error && client.connected) end(2, `the token does not allow ${topic}: ${error.message}`);
    });
  });
  client.on("error", (error) => {
    reason = error.message || String(error);
    if (error.code === 5 || error.code === 4) end(2, `the service refuses the token: ${reason}`);
    else if (NOT_TRUSTED.test(`${error.code} ${reason}`)) end(3, `the certificate is not trusted: ${reason}`);
  });
  client.on("close", async () => {
    if (stopped) return;
    if (connectedAt && Date.now() - connectedAt > 10000) following = delays();
    connectedAt = 0;
    const delay = following.next().value;
    console.error(`not connected, next attempt in ${(delay / 1000).toFixed(1)} s: ${reason}`);
    reason = "the connection was lost";
    await sleep(delay);
    if (!stopped) client.reconnect();
  });
  process.stdout.on("error", () => end(1, "nobody reads the output any more"));
  for (const name of ["SIGINT", "SIGTERM"]) process.on(name, () => end(0));
}

try {
  main();
} catch (error) {
  console.error(`error: ${error.message}`);
  process.exit(error.status ?? 1);
}
