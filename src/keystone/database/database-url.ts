// The URL of Keystone's database, as keystone.conf has it under [database] connection: SQLAlchemy's form, whose driver
// after the plus sign says nothing to us. Parsed by hand, as a URL with a user and no host (a unix socket) is none to
// the WHATWG. The password stays in here: it never stands in an error or a place.
import { DatabaseError } from "./database-error.ts";

export type DatabaseUrl =
  | { readonly kind: "sqlite"; readonly path: string }
  | {
      readonly kind: "mariadb" | "postgresql";
      readonly host: string;
      readonly port: number;
      /** Path of a unix socket (MariaDB) or of its folder (PostgreSQL): then host and port say nothing. */
      readonly socket: string | undefined;
      readonly user: string;
      readonly password: string;
      readonly database: string;
      readonly tls: Tls | undefined;
    };
/** `ca`: PEM file of the authority; `verify`: whether the server must prove to be who it says. */
export type Tls = { readonly ca: string | undefined; readonly verify: boolean };

const KINDS: ReadonlyMap<string, DatabaseUrl["kind"]> = new Map([
  ["sqlite", "sqlite"],
  ["mysql", "mariadb"],
  ["mariadb", "mariadb"],
  ["postgresql", "postgresql"],
  ["postgres", "postgresql"],
]);
const PORTS = { mariadb: 3306, postgresql: 5432 } as const;
const FORM =
  /^([a-z]+)(?:\+\w+)?:\/\/(?:([^:@/]*)(?::([^@/]*))?@)?(\[[^\]]*\]|[^:/?]*)(?::(\d+))?\/([^?]*)(?:\?(.*))?$/s;

/** Errors: DATABASE_URL. */
export function parseDatabaseUrl(text: string): DatabaseUrl {
  const found = FORM.exec(text.trim());
  const kind = KINDS.get(found?.[1] ?? "");
  if (found === null || kind === undefined)
    throw refuse("write it as in keystone.conf: mysql+pymysql://…, postgresql://… or sqlite:////path");
  const [, , user, password, host = "", port, path = "", query = ""] = found;
  if (kind === "sqlite") {
    if (!path.startsWith("/"))
      throw refuse("SQLite's file needs a whole path: sqlite:////var/lib/keystone/keystone.db");
    return { kind, path: decode(path) };
  }
  const options = new URLSearchParams(query);
  if (path === "") throw refuse("it names no database: add /keystone behind the host");
  return {
    kind,
    host: host.replace(/^\[|\]$/g, "") || "localhost",
    port: port === undefined ? PORTS[kind] : Number(port),
    socket: options.get(kind === "mariadb" ? "unix_socket" : "host") ?? undefined,
    user: decode(user ?? ""),
    password: decode(password ?? ""),
    database: decode(path),
    tls: tlsOf(options),
  };
}

/** `mariadb at db.example.org:3306, database keystone` */
export function placeOf(url: DatabaseUrl): string {
  if (url.kind === "sqlite") return `sqlite at ${url.path}`;
  const where = url.socket ?? `${url.host.includes(":") ? `[${url.host}]` : url.host}:${url.port}`;
  return `${url.kind} at ${where}, database ${url.database}`;
}

/** PyMySQL's and libpq's words for it. A word about TLS that we don't know must not end in a connection without. */
function tlsOf(options: URLSearchParams): Tls | undefined {
  for (const key of options.keys())
    if (key.startsWith("ssl") && !TLS_KEYS.has(key)) throw refuse(`it says ${key}, which keymesh doesn't know`);
  const mode = options.get("sslmode");
  if (mode !== null && !MODES.has(mode)) throw refuse("sslmode must be disable, require, verify-ca or verify-full");
  const ca = options.get("ssl_ca") ?? options.get("sslrootcert") ?? undefined;
  const verify = ca !== undefined || mode === "verify-ca" || mode === "verify-full";
  return ca === undefined && (mode === null || mode === "disable") ? undefined : { ca, verify };
}
const TLS_KEYS: ReadonlySet<string> = new Set(["ssl_ca", "sslrootcert", "sslmode"]);
const MODES: ReadonlySet<string> = new Set(["disable", "require", "verify-ca", "verify-full"]);

function decode(text: string): string {
  try {
    return decodeURIComponent(text.replaceAll("+", "%20"));
  } catch (cause) {
    throw new DatabaseError("DATABASE_URL", "keystone.database: a % in its URL begins no escape: write it as %25", {
      cause,
    });
  }
}

function refuse(why: string): DatabaseError {
  return new DatabaseError("DATABASE_URL", `keystone.database: its URL can't be used: ${why}`);
}
