// The system's errors, in words: for messages that name a path and what is wrong with it.

/** Whether the system failed with this code, such as ENOENT. */
export function isErrno(error: unknown, ...codes: readonly string[]): boolean {
  const code = errnoOf(error);
  return code !== undefined && codes.includes(code);
}

/** Why the system refused, without the path and the call that its own message repeats. */
export function reason(error: unknown): string {
  const code = errnoOf(error);
  if (code !== undefined) return REASONS[code] ?? code;
  return error instanceof Error ? error.message : String(error);
}

const REASONS: Readonly<Record<string, string>> = {
  ENOENT: "there is no such file",
  EACCES: "permission denied",
  EPERM: "operation not permitted",
  EISDIR: "it is a directory",
  ENOTDIR: "it is not a directory",
  EROFS: "the file system is read-only",
  ENOSPC: "the disk is full",
};

function errnoOf(error: unknown): string | undefined {
  return error instanceof Error && "code" in error && typeof error.code === "string" ? error.code : undefined;
}
