// hyparquet: `parquetReadObjects({file, compressors})` of each file, as it reads files and not folders.
//
//     read.mjs JOBS OUT
//
// The packages lie in the folder from which this is run. Jobs and answers are those of emit.py.

import { readFileSync, appendFileSync, readdirSync } from 'node:fs'
import { createRequire } from 'node:module'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'

const packages = createRequire(join(process.cwd(), 'package.json'))
const load = async (name) => import(pathToFileURL(packages.resolve(name)).href)
const { asyncBufferFromFile, parquetMetadataAsync, parquetReadObjects, parquetSchema } = await load('hyparquet')
const { compressors } = await load('hyparquet-compressors')

function tagged(value) {
  if (value === null || value === undefined) return null
  if (typeof value === 'boolean') return value
  if (typeof value === 'bigint') return `i:${value}`
  if (typeof value === 'number') return Object.is(value, -0) ? 'f:-0' : `f:${value}`
  if (typeof value === 'string') return `s:${value}`
  if (value instanceof Date) return `z:${BigInt(value.getTime()) * 1000n}`
  if (value instanceof Uint8Array) return `b:${Buffer.from(value).toString('hex')}`
  if (Array.isArray(value)) return value.map(tagged)
  return Object.fromEntries(Object.entries(value).map(([name, inner]) => [name, tagged(inner)]))
}

function shown(value) {
  if (value === null || value === undefined) return ''
  if (Array.isArray(value)) return 'Array'
  return typeof value === 'object' ? value.constructor.name : typeof value
}

async function read(path) {
  const files = readdirSync(path, { recursive: true }).filter(name => name.endsWith('.parquet')).sort()
  const types = new Map()
  const rows = []
  for (const name of files) {
    const file = await asyncBufferFromFile(join(path, name))
    const metadata = await parquetMetadataAsync(file)
    for (const child of parquetSchema(metadata).children) types.set(child.element.name, types.get(child.element.name) ?? '')
    for (const row of await parquetReadObjects({ file, compressors })) {
      for (const [column, value] of Object.entries(row)) types.set(column, types.get(column) || shown(value))
      rows.push(row)
    }
  }
  if (!files.length) throw new Error('no files')
  const columns = [...types]
  return { columns, rows: rows.map(row => columns.map(([column]) => tagged(row[column]))) }
}

const [jobs, out] = process.argv.slice(2)
for (const job of JSON.parse(readFileSync(jobs, 'utf8'))) {
  let answer
  try {
    answer = await read(job.path)
  } catch (refusal) {
    answer = { error: String(refusal).slice(0, 2000) }
  }
  appendFileSync(out, JSON.stringify({ table: job.table, ...answer }) + '\n')
}
