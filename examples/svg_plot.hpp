// Plots numbers over the epochs of a training run, or over what an axis says: panels side by side, in an SVG picture.
//
// SPDX: MIT OR Apache-2.0
#ifndef SVG_PLOT_HPP
#define SVG_PLOT_HPP

#include "portable_numbers.hpp"

#include <algorithm>
#include <cstddef>
#include <cstdio>
#include <string>
#include <utility>
#include <vector>

struct PlotLine {
  std::string label;
  std::string style;           // SVG attributes: colour, width, dashes
  std::vector<double> values;  // one for each epoch, from epoch 1, or for each position of the axis
  std::vector<std::pair<double, double>> ranges{};  // of the values: a band behind the line
};

// A horizontal axis.
struct PlotAxis {
  std::string label;
  bool log_scale;
  std::vector<double> positions;  // of the values, ascending
  std::vector<double> ticks;      // grid lines with numbers
};

struct PlotPanel {
  std::string title;
  bool log_scale;
  double low, high;           // the range of the vertical axis
  std::vector<double> ticks;  // grid lines with numbers
  std::string unit;           // what follows these numbers
  std::vector<PlotLine> lines;
  PlotAxis axis{};  // by default, the epochs
};

class SvgPlot {
 public:
  SvgPlot(const std::string& title, const std::string& subtitle, const std::vector<PlotPanel>& panels) {
    const double width = kMargin + static_cast<double>(panels.size()) * kPanelStride;
    const std::string size = number(width) + "\" height=\"" + number(kHeight);
    svg_ = "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 " + number(width) + " " + number(kHeight) +
           "\" width=\"" + size + "\" role=\"img\" font-size=\"14\" fill=\"#24292f\" " +
           "font-family=\"system-ui, 'Segoe UI', Helvetica, Arial, sans-serif\">\n<title>" + title + "</title>\n";
    // A background, so that the picture is legible on a dark page.
    svg_ += "<rect width=\"" + size + "\" rx=\"8\" fill=\"#ffffff\"/>\n";
    text(title, kMargin, 38, "font-size=\"20\" font-weight=\"600\"");
    text(subtitle, kMargin, 62, kQuietText);
    for (std::size_t i = 0; i < panels.size(); ++i) {
      left_ = kMargin + kTickWidth + static_cast<double>(i) * kPanelStride;
      draw(panels[i]);
    }
    svg_ += "</svg>\n";
  }

  const std::string& svg() const { return svg_; }

 private:
  // All coordinates are in pixels. left_ is the left end of the axes of the panel being drawn.
  static constexpr double kMargin = 28, kTickWidth = 48, kPanelStride = 520;
  static constexpr double kPanelWidth = 444, kTop = 122, kBottom = 380, kHeight = 440;
  static constexpr const char* kQuietText = "fill=\"#57606a\"";
  static constexpr const char* kGridStyle = "stroke=\"#d8dee4\"";

  static std::string number(double value, const char* format = "%.1f") {
    char digits[64];
    std::snprintf(digits, sizeof digits, format, value);
    return digits;
  }

  // Approximately: the width of letters depends on the viewer's fonts.
  static double text_width(const std::string& content) { return 8.0 * static_cast<double>(content.size()); }

  static double part_of(double value, double low, double high, bool log_scale) {
    return log_scale ? portable_log(value / low) / portable_log(high / low) : (value - low) / (high - low);
  }

  static double y_of(const PlotPanel& panel, double value) {
    // What is not a number is at the top, as is what is infinite.
    const double height = value < panel.high ? part_of(value, panel.low, panel.high, panel.log_scale) : 1.0;
    return kBottom - std::max(height, 0.0) * (kBottom - kTop);
  }

  double x_of(const PlotAxis& axis, double position) const {
    return left_ + kPanelWidth * part_of(position, axis.positions.front(), axis.positions.back(), axis.log_scale);
  }

  static PlotAxis epochs(std::size_t count) {
    PlotAxis axis{"epoch", false, {}, {}};
    for (std::size_t epoch = 1; epoch <= count; ++epoch) {
      axis.positions.push_back(static_cast<double>(epoch));
      if (epoch == 1 || epoch % 5 == 0) axis.ticks.push_back(static_cast<double>(epoch));
    }
    return axis;
  }

  void text(const std::string& content, double x, double y, const std::string& style) {
    svg_ += "<text x=\"" + number(x) + "\" y=\"" + number(y) + "\" " + style + ">" + content + "</text>\n";
  }

  void segment(double x1, double y1, double x2, double y2, const std::string& style) {
    svg_ += "<path fill=\"none\" d=\"M" + number(x1) + " " + number(y1) + "L" + number(x2) + " " + number(y2) + "\" " +
            style + "/>\n";
  }

  void draw(const PlotPanel& panel) {
    text(panel.title, left_, kTop - 20, "font-size=\"16\" font-weight=\"600\"");
    const PlotAxis axis = panel.axis.positions.empty() ? epochs(panel.lines.front().values.size()) : panel.axis;
    draw_grid(panel, axis);
    for (const PlotLine& line : panel.lines) draw_band(panel, axis, line);
    for (const PlotLine& line : panel.lines) {
      for (std::size_t i = 0; i < line.values.size(); ++i) {
        svg_ += i == 0 ? "<path fill=\"none\" stroke-linejoin=\"round\" d=\"M" : "L";
        svg_ += point(panel, axis, i, line.values[i]);
      }
      svg_ += "\" " + line.style + "/>\n";
    }
    draw_legend(panel);
  }

  std::string point(const PlotPanel& panel, const PlotAxis& axis, std::size_t index, double value) const {
    return number(x_of(axis, axis.positions[index])) + " " + number(y_of(panel, value));
  }

  // In the colour of the line, which the style begins with.
  void draw_band(const PlotPanel& panel, const PlotAxis& axis, const PlotLine& line) {
    if (line.ranges.empty()) return;
    std::string outline;
    for (std::size_t i = 0; i < line.ranges.size(); ++i) outline += point(panel, axis, i, line.ranges[i].first) + "L";
    for (std::size_t i = line.ranges.size(); i-- > 0;) {
      outline += point(panel, axis, i, line.ranges[i].second) + (i > 0 ? "L" : "");
    }
    const std::string colour = line.style.substr(line.style.find('#'), 7);
    svg_ += "<path fill=\"" + colour + "\" fill-opacity=\"0.2\" d=\"M" + outline + "Z\"/>\n";
  }

  void draw_grid(const PlotPanel& panel, const PlotAxis& axis) {
    const double right = left_ + kPanelWidth;
    for (const double tick : panel.ticks) {
      const double y = y_of(panel, tick);
      segment(left_, y, right, y, kGridStyle);
      text(number(tick, "%g") + panel.unit, left_ - 8, y + 5, kQuietText + std::string(" text-anchor=\"end\""));
    }
    for (const double tick : axis.ticks) {
      const double x = x_of(axis, tick);
      segment(x, kTop, x, kBottom, kGridStyle);
      text(number(tick, "%g"), x, kBottom + 20, kQuietText + std::string(" text-anchor=\"middle\""));
    }
    segment(left_, kBottom, right, kBottom, "stroke=\"#8c959f\"");
    text(axis.label, (left_ + right) / 2, kBottom + 42, kQuietText + std::string(" text-anchor=\"middle\""));
  }

  // On the right above the panel, where no line can cross it.
  void draw_legend(const PlotPanel& panel) {
    constexpr double sample = 30, gap = 8, space_between = 22, y = kTop - 20;
    double x = left_ + kPanelWidth + space_between;
    for (const PlotLine& line : panel.lines) x -= sample + gap + text_width(line.label) + space_between;
    for (const PlotLine& line : panel.lines) {
      segment(x, y - 5, x + sample, y - 5, line.style);
      text(line.label, x + sample + gap, y, "");
      x += sample + gap + text_width(line.label) + space_between;
    }
  }

  std::string svg_;
  double left_ = 0;
};

#endif  // SVG_PLOT_HPP
