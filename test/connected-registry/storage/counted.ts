/** The same implementation, and every call of one of its functions is told first. Goes as deep as its plain objects do. */
export function counted<T extends object>(target: T, onCall: (name: string) => void, path = ''): T {
  return new Proxy(target, {
    get(_, key) {
      const value: unknown = Reflect.get(target, key)
      const name = `${path}${String(key)}`
      if (typeof value === 'function') {
        return (...args: unknown[]) => {
          onCall(name)
          return Reflect.apply(value, target, args)
        }
      }
      return isPlain(value) ? counted(value, onCall, `${name}.`) : value
    }
  })
}

function isPlain(value: unknown): value is object {
  return typeof value === 'object' && value !== null && Object.getPrototypeOf(value) === Object.prototype
}
