// Addresses below the path at which a reverse proxy shows these pages. In links of the HTML it stands already.

const prefix = document.documentElement.dataset.prefix ?? "";

export const to = (path) => prefix + path;
export const here = () => location.pathname.slice(prefix.length) + location.search;
