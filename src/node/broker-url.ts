// The URL of a message broker, as an operator writes it: Keystone's own transport_url may be copied as it is.

/** What is wrong with it, if anything; the URL itself holds a password and is never repeated. */
export function brokerUrlProblem(url: string): string | undefined {
  const parsed = URL.parse(url.replace(/^rabbit:/, "amqp:"));
  if (parsed === null || !["amqp:", "amqps:"].includes(parsed.protocol))
    return "must be a URL such as amqp://user:password@broker.example.org:5672/vhost (amqps:// for TLS)";
  if (parsed.hostname === "" || parsed.hostname.includes(","))
    return "must name one host: a list of them is not supported";
  if (/%(?![0-9A-Fa-f]{2})/.test(parsed.username + parsed.password))
    return "has a % in its user or password that stands for nothing: write it as %25";
  return undefined;
}
