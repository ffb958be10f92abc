// Maps routes of the older single-page interface, "#/builders/1", to the pages of today.
(function (location) {
  var hash = location.hash, at, query, path, found, tags;
  if (hash.slice(0, 2) !== "#/" || hash.length < 3) return;
  hash = hash.slice(1);
  at = hash.indexOf("#");
  var anchor = at < 0 ? "" : hash.slice(at + 1);
  if (at >= 0) hash = hash.slice(0, at);
  at = hash.indexOf("?");
  query = at < 0 ? "" : hash.slice(at + 1);
  path = at < 0 ? hash : hash.slice(0, at);
  if (path.indexOf("//") === 0 || path.indexOf("\\") >= 0) return;
  if (path === "/pendingbuildrequests") path = "/queue";
  if (path === "/console" || path === "/grid") path = "/waterfall"; // until there are such pages
  found = /^\/builders\/([^/]+)\/force\/([^/]+)$/.exec(path);
  if (found) { path = "/force/" + found[2]; query = "builder=" + found[1]; }
  found = /^bb-step-(\d+)$/.exec(anchor);
  if (found) path += "/steps/" + found[1];
  if (path === "/builders" && query) {
    tags = new URLSearchParams(query);
    found = new URLSearchParams();
    tags.forEach(function (value, name) {
      if (name !== "tags") return found.append(name, value);
      value.split(",").forEach(function (tag) { found.append("tag", tag.replace(/^\+/, "")); });
    });
    query = found.toString();
  }
  // the site may lie below a path
  location.replace(location.pathname.replace(/\/$/, "") + path + (query ? "?" + query : ""));
})(window.location);
