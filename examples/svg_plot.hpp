// Plots numbers over the epochs or steps of a training run: panels side by side, in an SVG picture.
//
// SPDX: MIT OR Apache-2.0
#ifndef SVG_PLOT_HPP
#define SVG_PLOT_HPP

#include "portable_numbers.hpp"

#include <algorithm>
#include <cstddef>
#include <cstdio>
#include <string>
#include <vector>

struct PlotLine {
  std::string label;
  std::string style;           // SVG attributes: colour, width, dashes
  std::vector<double> values;  // one for each epoch, from epoch 1; or as the axis says
};

struct PlotPanel {
  std::string title;
  bool log_scale;
  double low, high;           // the range of the vertical axis
  std::vector<double> ticks;  // grid lines with numbers
  std::string unit;           // what follows these numbers
  std::vector<PlotLine> lines;
};

// The horizontal axis: what it counts, how much of it a value stands for, and how much lies between two numbers.
struct PlotAxis {
  std::string label = "epoch";
  std::size_t value = 1, tick = 5;
};

class SvgPlot {
 public:
  SvgPlot(const std::string& title, const std::string& subtitle, const std::vector<PlotPanel>& panels,
          const PlotAxis& axis = {})
      : axis_(axis) {
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

  static double y_of(const PlotPanel& panel, double value) {
    const double height = panel.log_scale
                              ? portable_log(value / panel.low) / portable_log(panel.high / panel.low)
                              : (value - panel.low) / (panel.high - panel.low);
    return kBottom - std::clamp(height, 0.0, 1.0) * (kBottom - kTop);
  }

  double x_of(std::size_t epoch, std::size_t epochs) const {
    return left_ + kPanelWidth * static_cast<double>(epoch - 1) / static_cast<double>(epochs - 1);
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
    const std::size_t epochs = panel.lines.front().values.size();
    draw_grid(panel, epochs);
    for (const PlotLine& line : panel.lines) {
      for (std::size_t epoch = 1; epoch <= epochs; ++epoch) {
        svg_ += epoch == 1 ? "<path fill=\"none\" stroke-linejoin=\"round\" d=\"M" : "L";
        svg_ += number(x_of(epoch, epochs)) + " " + number(y_of(panel, line.values[epoch - 1]));
      }
      svg_ += "\" " + line.style + "/>\n";
    }
    draw_legend(panel);
  }

  void draw_grid(const PlotPanel& panel, std::size_t epochs) {
    const double right = left_ + kPanelWidth;
    for (const double tick : panel.ticks) {
      const double y = y_of(panel, tick);
      segment(left_, y, right, y, kGridStyle);
      text(number(tick, "%g") + panel.unit, left_ - 8, y + 5, kQuietText + std::string(" text-anchor=\"end\""));
    }
    const std::size_t tick = axis_.tick / axis_.value;
    for (std::size_t epoch = 1; epoch <= epochs; epoch = epoch == 1 ? tick : epoch + tick) {
      const double x = x_of(epoch, epochs);
      segment(x, kTop, x, kBottom, kGridStyle);
      text(std::to_string(epoch * axis_.value), x, kBottom + 20, kQuietText + std::string(" text-anchor=\"middle\""));
    }
    segment(left_, kBottom, right, kBottom, "stroke=\"#8c959f\"");
    text(axis_.label, (left_ + right) / 2, kBottom + 42, kQuietText + std::string(" text-anchor=\"middle\""));
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

  PlotAxis axis_;
  std::string svg_;
  double left_ = 0;
};

#endif  // SVG_PLOT_HPP
