// The part of Node's Buffer that codecs use to read bytes, as ChirpStack has it. Evaluated before a script that names it.
(function () {
  "use strict";
  const fromHex = (text) => (text.match(/^([0-9a-f]{2})*/i)[0].match(/../g) ?? []).map((pair) => parseInt(pair, 16));
  const LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

  function fromBase64(text) {
    const bytes = [];
    let held = 0;
    let bits = 0;
    for (const letter of text.replace(/-/g, "+").replace(/_/g, "/")) {
      const value = LETTERS.indexOf(letter);
      if (value < 0) continue;
      held = ((held << 6) | value) & 0xffffff;
      bits += 6;
      if (bits >= 8) bytes.push((held >> (bits -= 8)) & 255);
    }
    return bytes;
  }

  function fromText(text) {
    const escaped = unescape(encodeURIComponent(text));
    return [...escaped].map((letter) => letter.charCodeAt(0));
  }

  const READ = { hex: fromHex, base64: fromBase64, base64url: fromBase64, utf8: fromText, "utf-8": fromText,
    ascii: (text) => [...text].map((letter) => letter.charCodeAt(0) & 127),
    latin1: (text) => [...text].map((letter) => letter.charCodeAt(0) & 255) };

  class Buffer extends Uint8Array {
    static from(value, encoding = "utf8", length = undefined) {
      if (typeof value === "string") {
        const read = READ[encoding];
        if (read === undefined) throw new TypeError("Unknown encoding: " + encoding);
        return new Buffer(read(value));
      }
      if (value instanceof ArrayBuffer) return new Buffer(value, encoding === "utf8" ? 0 : encoding, length);
      return new Buffer(value);
    }

    static alloc(size, fill = 0) {
      return new Buffer(size).fill(fill);
    }

    static isBuffer(value) {
      return value instanceof Buffer;
    }

    static concat(list) {
      return new Buffer(list.flatMap((each) => [...each]));
    }

    // As Node's: a view of the same bytes.
    slice(start, end) {
      return this.subarray(start, end);
    }

    equals(other) {
      return this.length === other.length && this.every((byte, at) => byte === other[at]);
    }

    toString(encoding = "utf8", start = 0, end = this.length) {
      const bytes = [...this.subarray(start, end)];
      if (encoding === "hex") return bytes.map((byte) => byte.toString(16).padStart(2, "0")).join("");
      if (encoding === "base64" || encoding === "base64url") return base64(bytes, encoding === "base64url");
      if (encoding === "ascii") return String.fromCharCode(...bytes.map((byte) => byte & 127));
      const text = String.fromCharCode(...bytes);
      if (encoding === "latin1" || encoding === "binary") return text;
      try {
        return decodeURIComponent(escape(text));
      } catch (wrong) {
        return text.replace(/[\x80-\xff]+/g, "\ufffd");
      }
    }

    toJSON() {
      return { type: "Buffer", data: [...this] };
    }
  }

  function base64(bytes, forUrl) {
    let text = "";
    for (let at = 0; at < bytes.length; at += 3) {
      const three = (bytes[at] << 16) | ((bytes[at + 1] ?? 0) << 8) | (bytes[at + 2] ?? 0);
      for (let part = 0; part < 4; part++) text += at + part > bytes.length ? "=" : LETTERS[(three >> (18 - 6 * part)) & 63];
    }
    return forUrl ? text.replace(/\+/g, "-").replace(/\//g, "_").replace(/=/g, "") : text;
  }

  const view = (buffer) => new DataView(buffer.buffer, buffer.byteOffset, buffer.byteLength);

  function whole(buffer, at, length, signed, little) {
    if (at + length > buffer.length) throw new RangeError("The value of \"offset\" is out of range");
    let value = 0;
    for (let index = 0; index < length; index++) value = value * 256 + buffer[little ? at + length - 1 - index : at + index];
    return signed && value >= 2 ** (8 * length - 1) ? value - 2 ** (8 * length) : value;
  }

  function add(name, read) {
    Buffer.prototype[name] = read;
    if (name.includes("UInt")) Buffer.prototype[name.replace("UInt", "Uint")] = read;
  }

  for (const [end, little] of [["BE", false], ["LE", true]]) {
    for (const [kind, signed] of [["UInt", false], ["Int", true]]) {
      add("read" + kind + end, function (at, length) { return whole(this, at, length, signed, little); });
      for (const length of [2, 4]) {
        add("read" + kind + 8 * length + end, function (at = 0) { return whole(this, at, length, signed, little); });
      }
    }
    add("readFloat" + end, function (at = 0) { return view(this).getFloat32(at, little); });
    add("readDouble" + end, function (at = 0) { return view(this).getFloat64(at, little); });
    add("readBigUInt64" + end, function (at = 0) { return view(this).getBigUint64(at, little); });
    add("readBigInt64" + end, function (at = 0) { return view(this).getBigInt64(at, little); });
  }
  add("readUInt8", function (at = 0) { return whole(this, at, 1, false, false); });
  add("readInt8", function (at = 0) { return whole(this, at, 1, true, false); });
  globalThis.Buffer = Buffer;
})();
