// The functions that a proxy configuration script may call, except those of name resolution.
// https://developer.mozilla.org/docs/Web/HTTP/Guides/Proxy_servers_and_tunneling/Proxy_Auto-Configuration_PAC_file
"use strict";
var isPlainHostName = (host) => !/[.:]/.test(host);
var dnsDomainIs = (host, domain) => {
  host = String(host).toLowerCase();
  domain = String(domain).toLowerCase();
  return domain.startsWith(".") ? host.endsWith(domain) || host === domain.slice(1) : host === domain || host.endsWith("." + domain);
};
var localHostOrDomainIs = (host, full) => {
  host = String(host).toLowerCase();
  full = String(full).toLowerCase();
  return host === full || (isPlainHostName(host) && full.startsWith(host + "."));
};
var dnsDomainLevels = (host) => String(host).split(".").length - 1;
var isResolvable = (host) => dnsResolve(host) !== null;
var shExpMatch = (text, pattern) => {
  const escaped = String(pattern).replace(/[.+^${}()|[\]\\]/g, "\\$&");
  return new RegExp("^" + escaped.replace(/\*/g, ".*").replace(/\?/g, ".") + "$", "s").test(String(text));
};
var convert_addr = (address) => {
  const parts = String(address).split(".");
  if (parts.length !== 4 || parts.some((part) => !/^\d{1,3}$/.test(part) || Number(part) > 255)) return null;
  return parts.reduce((sum, part) => sum * 256 + Number(part), 0);
};
var isInNet = (host, network, mask) => {
  const address = convert_addr(convert_addr(host) === null ? dnsResolve(host) : host);
  const [base, bits] = [convert_addr(network), convert_addr(mask)];
  if (address === null || base === null || bits === null) return false;
  return (address & bits) >>> 0 === (base & bits) >>> 0;
};
var isInNetEx = (host, prefix) => __isInPrefix(String(host), String(prefix));
var isResolvableEx = isResolvable;
var dnsResolveEx = (host) => __resolveAll(String(host)).join(";");
var myIpAddressEx = myIpAddress;
var sortIpAddressList = (list) => String(list).split(";").sort().join(";");
var getClientVersion = () => "1.0";
var alert = () => {};

(() => {
  const days = ["SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT"];
  const months = ["JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC"];
  const inCycle = (value, from, to) => (from <= to ? from <= value && value <= to : value >= from || value <= to);
  // Returns the arguments without a last "GMT", and the fields of the current time.
  const read = (given) => {
    const args = [...given].map((arg) => (typeof arg === "string" ? arg.toUpperCase() : arg));
    const isGmt = args[args.length - 1] === "GMT";
    if (isGmt) args.pop();
    const now = new Date(__nowMs());
    const get = (name) => (isGmt ? now["getUTC" + name]() : now["get" + name]());
    return [args, get];
  };
  globalThis.weekdayRange = function () {
    const [args, get] = read(arguments);
    const [from, to = from] = args.map((arg) => days.indexOf(arg));
    return from >= 0 && to >= 0 && inCycle(get("Day"), from, to);
  };
  globalThis.timeRange = function () {
    const [args, get] = read(arguments);
    const n = args.map(Number);
    const seconds = get("Hours") * 3600 + get("Minutes") * 60 + get("Seconds");
    const at = (h, m = 0, s = 0) => h * 3600 + m * 60 + s;
    switch (n.length) {
      case 1:
        return get("Hours") === n[0];
      case 2:
        return inCycle(seconds, at(n[0]), at(n[1]));
      case 4:
        return inCycle(seconds, at(n[0], n[1]), at(n[2], n[3]));
      case 6:
        return inCycle(seconds, at(n[0], n[1], n[2]), at(n[3], n[4], n[5]));
      default:
        return false;
    }
  };
  globalThis.dateRange = function () {
    const [args, get] = read(arguments);
    const month = (arg) => months.indexOf(arg);
    const isMonth = (arg) => month(arg) >= 0;
    const isYear = (arg) => Number(arg) > 31;
    // The fields of one end, in their order; compared from the year to the day.
    const kind = (arg) => (isMonth(arg) ? "M" : isYear(arg) ? "Y" : "D");
    const value = (arg) => (isMonth(arg) ? month(arg) : Number(arg));
    const current = { D: get("Date"), M: get("Month"), Y: get("FullYear") };
    if (args.length === 1) return current[kind(args[0])] === value(args[0]);
    if (args.length % 2) return false;
    const [half, weight] = [args.length / 2, { D: 1, M: 100, Y: 10000 }];
    const kinds = args.slice(0, half).map(kind);
    const sum = (list) => list.reduce((total, arg, n) => total + weight[kinds[n]] * value(arg), 0);
    const now = kinds.reduce((total, k) => total + weight[k] * current[k], 0);
    const [from, to] = [sum(args.slice(0, half)), sum(args.slice(half))];
    return kinds.includes("Y") ? from <= now && now <= to : inCycle(now, from, to);
  };
})();
