/** The values of `format` that a kube-apiserver checks; other formats are ignored, as there. */
import { isIPv4, isIPv6 } from "node:net";

type FormatCheck = (value: unknown) => boolean;

const text =
  (accept: (value: string) => boolean): FormatCheck =>
  (value) =>
    typeof value !== "string" || accept(value);
const matching = (pattern: RegExp) => text((value) => pattern.test(value));
const whole =
  (least: number, most: number): FormatCheck =>
  (value) =>
    typeof value !== "number" || (Number.isInteger(value) && value >= least && value <= most);

const dateTime = /^\d{4}-\d{2}-\d{2}[Tt ]\d{2}:\d{2}:\d{2}(\.\d+)?([Zz]|[+-]\d{2}:\d{2})$/;

const formats: Readonly<Record<string, FormatCheck>> = {
  // 2 ** 63 itself is what the largest 64-bit integers become when JSON is parsed.
  int32: whole(-(2 ** 31), 2 ** 31 - 1),
  int64: whole(-(2 ** 63), 2 ** 63),
  "date-time": text((value) => dateTime.test(value) && !Number.isNaN(Date.parse(value))),
  date: text((value) => /^\d{4}-\d{2}-\d{2}$/.test(value) && !Number.isNaN(Date.parse(value))),
  duration: matching(/^[+-]?(\d+(\.\d+)?\s?(ns|us|µs|ms|s|m|h|d|w|[a-z]+))+$/),
  ipv4: text(isIPv4),
  ipv6: text(isIPv6),
  cidr: text(isCidr),
  mac: matching(/^([0-9a-fA-F]{2}([:-][0-9a-fA-F]{2}){5}|([0-9a-fA-F]{4}\.){2}[0-9a-fA-F]{4})$/),
  uuid: matching(/^[0-9a-fA-F]{8}-?([0-9a-fA-F]{4}-?){3}[0-9a-fA-F]{12}$/),
  uri: text((value) => URL.canParse(value) || value.startsWith("/")),
  hostname: matching(/^[a-zA-Z0-9]([a-zA-Z0-9-]{0,62})(\.[a-zA-Z0-9][a-zA-Z0-9-]{0,62})*\.?$/),
  email: matching(/^[^\s@]+@[^\s@]+$/),
  byte: matching(/^([A-Za-z0-9+/]{4})*([A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$/),
};

/** Address and prefix length, IPv4 or IPv6. */
function isCidr(value: string): boolean {
  const [address = "", bits = "", ...rest] = value.split("/");
  if (rest.length > 0 || !/^(0|[1-9]\d{0,2})$/.test(bits)) return false;
  return isIPv4(address) ? Number(bits) <= 32 : isIPv6(address) && Number(bits) <= 128;
}

/** True for a format that is checked. */
export function isKnownFormat(format: string): boolean {
  return Object.hasOwn(formats, format);
}

/** True when `value` has the form, or is of a type that the format says nothing about. */
export function matchesFormat(format: string, value: unknown): boolean {
  return formats[format]?.(value) ?? true;
}
