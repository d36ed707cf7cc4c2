// JSON Schemas in words: the type of a value, and the fields of an object by their paths.

const DEEPEST = 4;
const MOST = 200;

export function resolved(schema, document) {
  let found = schema ?? {};
  while (found.$ref) found = found.$ref.slice(2).split("/").reduce((at, key) => at[key], document);
  return found;
}

const nameOf = (schema) => schema.$ref?.split("/").pop();

function bounds(schema) {
  const parts = [];
  if (schema.minimum !== undefined) parts.push(`at least ${schema.minimum}`);
  if (schema.maximum !== undefined) parts.push(`at most ${schema.maximum}`);
  if (schema.maxLength !== undefined) parts.push(`up to ${schema.maxLength} characters`);
  if (schema.format) parts.push(schema.format);
  if (schema.default !== undefined && schema.default !== null && schema.default !== "") parts.push(`otherwise ${JSON.stringify(schema.default)}`);
  return parts.length ? ` (${parts.join("; ")})` : "";
}

export function typeOf(schema, document) {
  const found = resolved(schema, document);
  const choices = found.anyOf ?? found.oneOf;
  if (choices) return choices.map((each) => typeOf(each, document)).join(" or ");
  if (found.type === "array") return `array of ${typeOf(found.items ?? {}, document)}`;
  if (found.type === "object" && found.additionalProperties) return `object of ${typeOf(found.additionalProperties, document)}`;
  if (found.enum) return `one of ${found.enum.join(", ")}${bounds(found)}`;
  const own = Array.isArray(found.type) ? found.type.join(" or ") : found.type;
  const name = nameOf(schema ?? {}) ?? found.title;
  return (found.type === "object" && name ? name : own ?? "anything") + bounds(found);
}

// The object in a schema, and the suffix of its name: [] for a list, {} for a table.
function objectIn(schema, document) {
  const found = resolved(schema, document);
  if (found.properties) return [found, ""];
  const choice = (found.anyOf ?? found.oneOf ?? []).map((each) => objectIn(each, document)).find(Boolean);
  if (choice) return choice;
  const [inner, mark] = found.type === "array" ? [found.items, "[]"] : [found.additionalProperties, "{}"];
  const within = inner && typeof inner === "object" ? objectIn(inner, document) : null;
  return within && [within[0], mark + within[1]];
}

export function fieldsOf(schema, document, before = "", depth = 0, within = []) {
  const [found, mark] = objectIn(schema, document) ?? [];
  if (!found || depth >= DEEPEST || within.includes(found)) return [];
  const start = depth ? `${before}${mark}.` : mark && `${mark}.`;
  const rows = Object.entries(found.properties).flatMap(([name, each]) => [
    {
      name: start + name,
      type: typeOf(each, document),
      required: (found.required ?? []).includes(name),
      description: each.description ?? resolved(each, document).description ?? "",
    },
    ...fieldsOf(each, document, start + name, depth + 1, [...within, found]),
  ]);
  return rows.slice(0, MOST);
}
