// A chart's data as a table: always for screen readers, on request for everyone.

// table: {caption, columns: [text], rows: [[text or number, …], …]}.
export function buildTable({ caption, columns, rows }) {
  const table = document.createElement("table");
  table.className = "data";
  table.createCaption().textContent = caption;
  const head = table.createTHead().insertRow();
  for (const column of columns) {
    const cell = document.createElement("th");
    cell.scope = "col";
    cell.textContent = column;
    head.append(cell);
  }
  const body = table.createTBody();
  for (const row of rows) {
    const line = body.insertRow();
    for (const value of row) line.insertCell().textContent = String(value);
  }
  return table;
}
