"""How every page looks: dark text on white, states told apart without colour, on a phone and in print."""

from markupsafe import Markup

STYLE = Markup("""
:root { color-scheme: light }
body { font: 16px/1.5 system-ui, sans-serif; max-width: 64rem; margin: 0 auto; padding: 1rem; color: #1b1f24;
  background: #fff; overflow-wrap: anywhere }
h1 { font-size: 1.6rem; margin: .5rem 0 } h2 { font-size: 1.25rem; margin: 2rem 0 .5rem }
h3 { font-size: 1rem; margin: 1rem 0 .25rem } h1, h2, h3 { line-height: 1.25 }
a { color: #0b5cad } code { font: 14px/1.45 ui-monospace, monospace }
nav { display: flex; flex-wrap: wrap; gap: .25rem 1.5rem; font-size: .9rem }
.verdict { border-left: .5rem solid; padding: .5rem .75rem; font-size: 1.15rem; font-weight: 600; margin: .75rem 0 }
.verdict.alarm { border-color: #d55e00; background: #fdf1ea }
.verdict.ok { border-color: #0072b2; background: #eef6fb }
.verdict.inconclusive { border-color: #6b7280; background: #f3f4f6 }
.warning { border: 1px solid #8a6d00; background: #fff8dc; padding: .5rem .75rem }
.grid { display: grid; gap: .5rem 1.5rem; grid-template-columns: repeat(auto-fill, minmax(min(19rem, 100%), 1fr)) }
.grid.wide { grid-template-columns: repeat(auto-fill, minmax(min(26rem, 100%), 1fr)) }
figure { margin: .5rem 0 } figcaption { font-size: .85rem; color: #3d444d }
svg { width: 100%; height: auto; display: block }
svg text { font: 11px system-ui, sans-serif; fill: #3d444d }
table { border-collapse: collapse; width: 100%; font-size: .9rem }
td, th { border-bottom: 1px solid #d8dce1; padding: .3rem .6rem .3rem 0; text-align: left; vertical-align: top }
th { white-space: nowrap; overflow-wrap: normal }
.findings td:first-child { min-width: 11rem }
td.number { text-align: right; font-variant-numeric: tabular-nums; white-space: nowrap }
.findings td.number[data-of=value] { white-space: normal; min-width: 6.5rem }
.findings td:last-child { min-width: 18rem }
dl { display: grid; grid-template-columns: max-content 1fr; gap: .15rem 1rem; margin: .5rem 0; font-size: .9rem }
dt { color: #3d444d } dd { margin: 0 }
.state { font-weight: 600; white-space: nowrap } .state.alarm { color: #a84300 } .state.inconclusive { color: #4b5563 }
.state.ok { color: #005a8c } li { margin: .25rem 0 }
.days { display: flex; flex-wrap: wrap; gap: .15rem; margin: .25rem 0 }
.days > * { min-width: 1.95em; text-align: center; text-decoration: none; border-radius: .2rem; font-size: .85rem;
  padding: .1rem 0; border: 1px solid #9fc6de; background: #eef6fb; color: #1b1f24 }
.days .alarm { background: #b34700; border-color: #7a2f00; color: #fff; font-weight: 600 }
.days .inconclusive { background: #fff; border: 1px dashed #6b7280 }
.strip td, .strip th { padding: .1rem .6rem .1rem 0; border: 0; font-weight: 400 }
.strip td { width: 75% } .strip svg { height: 1rem }
.bar { fill: #0072b2 } .ghost { fill: #c9ced6 } .line { fill: none; stroke: #0072b2; stroke-width: 1.5 }
.other { fill: none; stroke: #1b1f24; stroke-width: 1.5; stroke-dasharray: 1 3 } .band { fill: #0072b2; opacity: .18 }
.range { stroke: #4b5563; stroke-width: 1 }
.limit { stroke: #d55e00; stroke-width: 1.5; stroke-dasharray: 5 3; fill: none }
.axis { stroke: #8a8f98; stroke-width: 1 } .grid-line { stroke: #e3e6ea; stroke-width: 1 }
.p { fill: #0072b2 }
.p.alarm { fill: #d55e00; stroke: #7a2f00 } .p.inconclusive { fill: #fff; stroke: #4b5563 }
.s.ok { fill: #9fc6de } .s.alarm { fill: #d55e00 } .s.inconclusive { fill: #c9ced6 } .s.none { fill: #f3f4f6 }
@media (max-width: 40rem) {
  .findings thead { position: absolute; left: -999rem } .findings tr { display: block; border-bottom: 1px solid #8a8f98;
    padding: .4rem 0 } .findings td { display: block; border: 0; padding: 0; text-align: left }
  .findings td.number { display: inline; padding-right: 1em; white-space: normal }
  .findings td:first-child, .findings td:last-child { min-width: 0 }
  .findings td.number::before { content: attr(data-of) " "; color: #3d444d }
  dl { grid-template-columns: 1fr } dt { font-weight: 600 }
}
@media print {
  body { max-width: none; padding: 0; font-size: 11pt } nav { display: none }
  figure, tr, li { break-inside: avoid }
  * { print-color-adjust: exact; -webkit-print-color-adjust: exact } }
""")
