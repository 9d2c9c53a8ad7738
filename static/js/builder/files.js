// Files of a folder or a drop: which of them belong to the code. Pure.

const NOISE = new Set([
  ".git", ".hg", ".svn", "__pycache__", "node_modules", ".venv", "venv", ".mypy_cache",
  ".pytest_cache", ".ruff_cache", ".ipynb_checkpoints", ".DS_Store", ".idea", ".vscode",
]);
export const MAX_FILES = 100;

// The path inside the folder: the folder's own name is left out.
export function innerPath(relative, name) {
  if (!relative) return name;
  return relative.split("/").slice(1).join("/") || name;
}

export function isNoise(path) {
  return path.split("/").some((part) => NOISE.has(part) || part.endsWith(".pyc"));
}

// Of files {name, webkitRelativePath}: those to send, with their paths.
export function chosen(files) {
  return files
    .map((file) => ({ file, path: innerPath(file.webkitRelativePath, file.name) }))
    .filter(({ path }) => !isNoise(path));
}
