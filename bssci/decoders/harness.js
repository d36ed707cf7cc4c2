// What surrounds a script: evaluated first, in the script's own context, so that it keeps the language's functions
// as they were before the script could replace them. It hands over texts only, and asks nothing of the script's
// values that could call back into the script outside of the time limit.
(function () {
  "use strict";
  const { parse, stringify } = JSON;
  const { keys, getOwnPropertyDescriptor, freeze, defineProperty } = Object;
  const { isArray } = Array;
  const { isFinite, isInteger, isSafeInteger } = Number;
  const { apply } = Reflect;
  const evaluate = eval;
  const NumberOf = Number;
  const DateOf = Date;
  const PromiseOf = Promise;
  const toISOString = Date.prototype.toISOString;
  const join = Array.prototype.join;

  // The engine names its own errors (time is up, no memory) by these, after the time limit has ended.
  InternalError.prototype.toString = Error.prototype.toString;
  freeze(InternalError.prototype);
  defineProperty(Error, "prepareStackTrace", { value: undefined, writable: false, configurable: false });
  const stackOf = getOwnPropertyDescriptor(Error.prototype, "stack").get;

  const silent = function () {};
  globalThis.console = { log: silent, info: silent, warn: silent, error: silent, debug: silent };

  // The engine keeps a long text that was put together in pieces; only one in one piece can leave it.
  function whole(text) {
    return apply(join, [text], [""]);
  }

  class Refusal {
    constructor(code, text, at) {
      this.code = code;
      this.text = text;
      this.at = at;
    }
  }
  freeze(Refusal.prototype);

  const PICK =
    "\n;typeof decodeUplink === 'function' ? { style: 4, entry: decodeUplink }" +
    ": typeof Decode === 'function' ? { style: 3, entry: Decode }" +
    ": typeof Decoder === 'function' ? { style: 2, entry: Decoder } : null";
  let style = 0;
  let entry = null;
  let limits = null;
  let count = 0;
  let out = "";
  // Names as JSON, since a script gives the same ones again and again; no prototype that a script could reach.
  let quoted = { __proto__: null };
  let quotedCount = 0;

  function own(object, name) {
    const found = getOwnPropertyDescriptor(object, name);
    return found !== undefined && typeof found.value === "string" ? found.value : "";
  }

  function refusal(code, text, at, stack) {
    return '{"code":' + stringify(code) + ',"text":' + stringify(text) + ',"at":' + stringify(at) +
      ',"stack":' + stringify(stack) + "}";
  }

  function explain(error) {
    try {
      return whole(explained(error));
    } catch (again) {
      return '{"code":"script_error"}';
    }
  }

  function explained(error) {
    try {
      if (error instanceof Refusal) return refusal(error.code, error.text, error.at, "");
      if (typeof error === "string" && error.length <= limits.text) return refusal("script_error", error, "", "");
      if (typeof error === "object" && error !== null) {
        const text = own(error, "message");
        const stack = apply(stackOf, error, []);
        if (text.length <= limits.text)
          return refusal("script_error", text, "", typeof stack === "string" ? stack : "");
      }
      return '{"code":"script_error"}';
    } catch (again) {
      return '{"code":"script_error"}';
    }
  }

  function quote(name) {
    if (name === "") throw new Refusal("no_name", "a value without a name", "");
    if (name.length > limits.name) throw new Refusal("name_too_long", "a name of " + name.length + most(limits.name), "");
    if (++quotedCount > limits.readings) {
      quoted = { __proto__: null };
      quotedCount = 1;
    }
    return (quoted[name] = stringify(name) + ",");
  }

  function put(name, value, unit) {
    const start = quoted[name] || quote(name);
    if (++count > limits.readings) throw new Refusal("too_many_readings", "", "");
    out += (count === 1 ? "[" : ",[") + start + value + (unit === "" ? "]" : "," + stringify(unit) + "]");
  }

  const most = (characters) => " characters, at most " + characters + " are allowed";

  function number(value, name, unit) {
    if (!isFinite(value)) throw new Refusal("not_a_number", value + " cannot be a reading", name);
    if (isInteger(value) && !isSafeInteger(value)) throw new Refusal("number_too_large", value + " is an integer beyond 2^53", name);
    put(name, "" + value, unit);
  }

  function flatten(value, name, unit, depth) {
    switch (typeof value) {
      case "number":
        return number(value, name, unit);
      case "string":
        if (value.length > limits.text) throw new Refusal("text_too_long", "a text of " + value.length + most(limits.text), name);
        return put(name, stringify(value), unit);
      case "boolean":
        return put(name, value ? "true" : "false", unit);
      case "undefined":
        return undefined;
      case "bigint":
        if (value > 9007199254740991n || value < -9007199254740991n)
          throw new Refusal("number_too_large", "an integer beyond 2^53", name);
        return number(NumberOf(value), name, unit);
      case "object":
        break;
      default:
        throw new Refusal("not_a_value", "a " + typeof value, name);
    }
    if (value === null) return undefined;
    if (value instanceof DateOf) return put(name, stringify(apply(toISOString, value, [])), unit);
    if (value instanceof PromiseOf || typeof value.then === "function")
      throw new Refusal("promise", "a promise; there is no waiting here", name);
    if (depth >= limits.depth) throw new Refusal("too_deep", "more than " + limits.depth + " levels", name);
    const names = keys(value);
    const total = names.length;
    if (total > limits.readings) throw new Refusal("too_many_readings", total + " values, at most " + limits.readings + " are allowed", name);
    if (total === 2 && !isArray(value)) {
      const measured = value.value;
      const given = value.unit;
      if (typeof given === "string" && measured !== undefined && typeof measured !== "object") {
        if (given.length > limits.name) throw new Refusal("text_too_long", "a unit of " + given.length + most(limits.name), name);
        return flatten(measured, name, given, depth + 1);
      }
    }
    const prefix = name === "" ? "" : name + ".";
    for (let at = 0; at < total; at++) {
      const key = names[at];
      if (key.length > limits.name)
        throw new Refusal("name_too_long", "a name of " + key.length + most(limits.name), name);
      let held;
      try {
        held = value[key];
      } catch (error) {
        throw new Refusal("getter", "reading it raised an error", prefix + key);
      }
      flatten(held, prefix + key, "", depth + 1);
    }
    return undefined;
  }

  function texts(list, name) {
    if (list === undefined || list === null) return "";
    if (!isArray(list)) throw new Refusal("not_a_list", "must be a list of texts", name);
    let found = "";
    for (let at = 0; at < list.length && at < limits.notes; at++) {
      const text = list[at];
      const fits = typeof text === "string" && text.length <= limits.text;
      found += (at === 0 ? "" : ",") + stringify(fits ? text : "(no text)");
    }
    return found;
  }

  function object(value, what) {
    if (typeof value !== "object" || value === null || isArray(value))
      throw value === undefined || value === null
        ? new Refusal("no_data", what + " is missing", "")
        : new Refusal("not_an_object", what + " is not an object", "");
    if (value instanceof PromiseOf || typeof value.then === "function")
      throw new Refusal("promise", what + " is a promise, which is not waited for", "");
    return value;
  }

  return {
    load: function (source, bounds) {
      limits = parse(bounds);
      try {
        const picked = evaluate(source + PICK);
        if (picked === null || picked === undefined)
          throw new Refusal("no_function", "no function decodeUplink, Decode or Decoder", "");
        style = picked.style;
        entry = picked.entry;
        return '{"code":""}';
      } catch (error) {
        return explain(error);
      }
    },
    decode: function (text) {
      count = 0;
      out = "";
      try {
        const { bytes, fPort, at, variables } = parse(text);
        let warnings = "";
        if (style === 4) {
          const input = { bytes, fPort, recvTime: new DateOf(at), variables };
          const given = object(entry(input), "the answer of decodeUplink");
          const errors = texts(given.errors, "errors");
          if (errors !== "") return whole('{"code":"reported","errors":[' + errors + "]}");
          warnings = texts(given.warnings, "warnings");
          flatten(object(given.data, "data in the answer of decodeUplink"), "", "", 0);
        } else if (style === 3) flatten(object(entry(fPort, bytes, variables), "the answer of Decode"), "", "", 0);
        else flatten(object(entry(bytes, fPort), "the answer of Decoder"), "", "", 0);
        return whole('{"code":"","readings":[' + out + '],"warnings":[' + warnings + "]}");
      } catch (error) {
        return explain(error);
      }
    },
  };
})()
