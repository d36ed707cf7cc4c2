// Settings of Node-RED for this flow: no editor, no credentials on disk, and no start with settings that cannot work.
const { existsSync, readFileSync } = require("node:fs");
const { join } = require("node:path");
const { crc32 } = require("./crc32.js");

const ALPHABET = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
const NEVER = 2 ** 31 - 1;

loadSettings(join(__dirname, ".env"));
process.env.MQTT_TOPIC ||= "device/+/telemetry/#";
process.env.MQTT_CLIENT_ID ||= "node-red";

/** Put the settings of a file into the environment, except those that are set already. loadEnvFile cannot be used: it reads the # in topics as a comment. */
function loadSettings(path) {
  if (!existsSync(path)) return;
  for (const line of readFileSync(path, "utf8").split("\n")) {
    const found = /^\s*([A-Z_]+)\s*=(.*)$/.exec(line);
    if (found) process.env[found[1]] ||= found[2].trim();
  }
}

/** Return what is wrong with the settings, without any part of the token. */
function faultOf({ MQTT_API_TOKEN: token = "", MQTT_BROKER_URL: url = "" }) {
  const address = URL.canParse(url) ? new URL(url) : null;
  if (!address || !["ws:", "wss:"].includes(address.protocol)) return "MQTT_BROKER_URL must be wss://host:port/mqtt";
  if (address.protocol === "ws:" && !["localhost", "127.0.0.1"].includes(address.hostname)) return "ws:// sends the token in the clear: use wss://";
  if (!/^bssci_mqtt_[0-9A-Za-z]{38}$/.test(token)) return "MQTT_API_TOKEN must be bssci_mqtt_ and 38 letters or digits";
  let number = crc32(token.slice(11, 43));
  let checksum = "";
  for (; checksum.length < 6; number = Math.floor(number / 62)) checksum = ALPHABET[number % 62] + checksum;
  return token.slice(43) === checksum ? "" : "MQTT_API_TOKEN is mistyped: its checksum is wrong";
}

const fault = faultOf(process.env);
if (fault) {
  console.error(`error: ${fault}`);
  process.exit(1);
}

module.exports = {
  uiHost: process.env.HOST || "127.0.0.1",
  uiPort: Number(process.env.PORT || 1880),
  httpAdminRoot: false,
  flowFile: join(__dirname, "flows.json"),
  readOnly: true,
  // flows_cred.json names the variable with the token, not the token.
  credentialSecret: false,
  // The flow itself reconnects, with growing delays.
  mqttReconnectTime: NEVER,
  functionTimeout: 10,
  telemetry: { enabled: false },
  logging: { console: { level: "info", metrics: false, audit: false } },
};
