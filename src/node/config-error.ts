// What is wrong with keymesh.yaml or the data directory, in one line that names the file, the key and the fix.

export type ConfigErrorCode =
  | "CONFIG_MISSING" // no keymesh.yaml here
  | "CONFIG_UNREADABLE" // it can't be read, or is far too big
  | "CONFIG_SYNTAX" // not YAML
  | "CONFIG_UNKNOWN_KEY"
  | "CONFIG_MISSING_KEY"
  | "CONFIG_BAD_VALUE" // a wrong type, or a value that can't be meant
  | "CONFIG_NO_FILE" // a path that it names can't be read
  | "CONFIG_MODE"; // it holds a password and others may read it

export class ConfigError extends Error {
  override readonly name = "ConfigError";
  readonly code: ConfigErrorCode;
  readonly file: string;
  /** The key, as a path with dots; undefined where the whole file is meant. */
  readonly key: string | undefined;

  constructor(at: { code: ConfigErrorCode; file: string; key?: string; cause?: unknown }, problem: string) {
    const place = at.key === undefined ? at.file : `${at.file}: ${at.key}`;
    super(`${place}: ${problem}`, at.cause === undefined ? undefined : { cause: at.cause });
    this.code = at.code;
    this.file = at.file;
    this.key = at.key;
  }
}
